package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/internal/tasks"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/frontend/weights"
)

// made are figures of two seeds: the search loses 2 percent less.
func made() (list []figure) {
	for seed := range uint64(2) {
		for _, budget := range []string{"1", "2", "3", "4", keepBudget} {
			for _, way := range []string{universalWay, robustWay, beforeWay} {
				f := figure{example: "wear", result: "life", task: "values", measure: "1 - |rmse|/std", seed: seed + 1, budget: budget, way: way, float: .7 + .1*float64(seed), bits: 2.5, gap: math.NaN(), gapE: math.NaN()}
				switch f.kept, f.keptE = .9, .01; {
				case budget == keepBudget && way == universalWay, budget == "2" && way == beforeWay:
					continue
				case way == robustWay:
					f.kept, f.gap, f.gapE = .92, .02, .003
				case way == beforeWay:
					f.kept = .5
				}
				list = append(list, f)
			}
		}
	}
	return list
}

func TestText(t *testing.T) {
	s := &study{seeds: []uint64{1, 2}, items: 100, before: "dnnc", revision: "4bea3a1"}
	text := s.text(made())
	assert.Contains(t, text, "| `wear` | life | values | 2 | 1 - \\|rmse\\|/std 0.750 | 10.0 / 8.0 / 50.0 | 10.0 / 8.0 / - | 10.0 / 8.0 / 50.0 | 10.0 / 8.0 / 50.0 | 10.0 / 8.0 / 50.0 | 2.00 ± 0.30 |")
	assert.Contains(t, text, "| `wear` | life | 2 of 2 | - | 2.50 | 0.9200 ± 0.0100 | 2.50 | 0.5000 ± 0.0100 |")
	assert.NotContains(t, text, "Measured")
	assert.NotContains(t, text, "In the mean of the results", "of one")
	s.before, s.date = "", "2026-11-30"
	text = s.text(made())
	assert.Contains(t, text, "Measured 2026-11-30.\n\nLost under")
	assert.NotContains(t, text, "4bea3a1")
	assert.Contains(t, text, "| 10.0 / 8.0 | 2.00 ± 0.30 |")
}

// TestPromises: builds that were refused, and those of which a result lies below the share.
func TestPromises(t *testing.T) {
	s := &study{seeds: []uint64{1, 2}, items: 100}
	kept := func(example, result string, seed uint64, kept float64) figure {
		return figure{example: example, result: result, seed: seed, budget: keepBudget, way: robustWay, float: .8, bits: 2, kept: kept, keptE: .004, gap: math.NaN(), gapE: math.NaN()}
	}
	size := figure{example: "wear", result: "life", measure: "R²", task: "values", seed: 2, budget: "1", way: robustWay, float: .8, kept: .2, keptE: .01}
	asked := figure{example: "machine", result: "state", seed: 2, budget: "1", way: robustWay, float: .8, kept: .2, keptE: .01} // of no promise yet
	before := figure{example: "wear", result: "life", seed: 1, budget: keepBudget, way: beforeWay, float: .8, kept: .2, keptE: .01}
	again := kept("wear", "life", 3, .9)
	again.budget, again.kept = moreBudget, keep
	list := []figure{size, asked, kept("wear", "life", 1, keep), kept("machine", "state", 1, .995), kept("machine", "torque", 1, .982), before,
		refusal("wear", "life", keepBudget, 2), refusal("wear", "life", moreBudget, 2), refusal("wear", "life", keepBudget, 3), again}
	text := s.text(list)
	assert.Contains(t, text, "| `wear` | life | 1 of 3 | 1 of 2 | 2.00 | 0.9900 ± 0.0040 |\n| `machine` | state | 1 of 1 | - | 2.00 | 0.9950 ± 0.0040 |\n")
	assert.Contains(t, text, "| `wear` | life | values | 1 | R² 0.800 |", "a refused build is no seed of the sizes, and has no measure")
	assert.Contains(t, s.text(append(list[:1:1], list[6])), "| `wear` | life | 0 of 1 | - | - | - |")
	assert.Contains(t, text, "Builds with `-keep`, one an example and a seed of errors: 4. Refused with 2560 items: 2, with 10240: 1. With a\nresult that keeps less than 0.99 by the estimate on the new items: 1, the furthest by 2.0 standard errors (`machine`, seed 1).")
	assert.Contains(t, s.text(list[:4]), "a seed of errors: 2. Refused with 2560 items: 0, with 10240: 0. With a\nresult that keeps less than 0.99 by the estimate on the new items: 0.")
}

// TestUnusual: what searches that saw errors keep more stands in a table of its own, with a
// plain word, and changes no other one.
func TestUnusual(t *testing.T) {
	s := &study{seeds: []uint64{1, 2, 3}, items: 100}
	other := s.text(made())
	assert.NotContains(t, other, "drift")
	for says, gap := range map[string]float64{"it pays to see them": .03, "it does not pay to see them": -.03, "no difference is shown": 0} {
		list := made()
		for seed := range uint64(3) {
			for _, budget := range []string{"1", "2"} {
				f := figure{example: "wear", result: "life", measure: "AUC", seed: seed + 1, budget: budget, way: cleanWay, float: .8, kept: .9, gap: math.NaN(), gapE: math.NaN()}
				list = append(list, f)
				f.way, f.kept, f.gap, f.gapE = seenWay, .9+gap, gap+.001*(float64(seed)-1), .5
				list = append(list, f)
			}
		}
		before, unusual, _ := strings.Cut(s.text(list), "\nLost under drift")
		assert.Equal(t, other, strings.TrimSuffix(before, "\n"))
		assert.Contains(t, unusual, fmt.Sprintf("| `wear` | life | 3 | AUC 0.800 | 10.0 / %.1f | 10.0 / %.1f | %.2f ± 0.06 | %s |", 10-100*gap, 10-100*gap, 100*gap, says))
	}
}

// TestRecord: figures are read as they were written; what is measured is not measured again.
func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tasks.csv")
	list, err := readRecord(path)
	require.NoError(t, err)
	assert.Empty(t, list)
	s := &study{items: 100}
	wear, err := tasks.Find("wear")
	require.NoError(t, err)
	s.examples, s.folder = []*tasks.Example{wear}, "../../testdata/tasks"
	asked, err := s.questions()
	require.NoError(t, err)
	written := made()
	for i, f := range written {
		written[i].from = asked[0].from
		if f.budget == keepBudget && f.way == robustWay {
			written[i].from = asked[1].from
		}
	}
	stale := figure{example: "wear", result: "life", from: asked[0].from + "1", seed: 1, budget: "1", way: robustWay, kept: 9}
	require.NoError(t, writeRecord(path, append(written, stale)))
	list, err = readRecord(path)
	require.NoError(t, err)
	require.Len(t, list, len(written)+1)
	for i, want := range written {
		if got := list[i]; math.IsNaN(want.gap) {
			assert.True(t, math.IsNaN(got.gap))
			got.gap, got.gapE, want.gap, want.gapE = 0, 0, 0, 0
			assert.Equal(t, want, got)
			continue
		}
		assert.Equal(t, want, list[i])
	}
	document := filepath.Join(t.TempDir(), "table.md")
	require.NoError(t, os.WriteFile(document, []byte(begin+"\n"+end+"\n"), 0o644))
	require.NoError(t, measureAll(context.Background(), document, "../../testdata/tasks", "wear", "", path, "", 2, 100))
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	assert.Contains(t, string(text), "| 10.0 / 8.0 | 2.00 ± 0.30 |")

	require.NoError(t, measureAll(context.Background(), document, "../../testdata/tasks", "wear", "", path, "", 0, 100))
	again, err := os.ReadFile(document)
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again), "the seeds of the record are these")
	assert.ErrorContains(t, measureAll(context.Background(), document, "../../testdata/tasks", "beat", "", path, "", 0, 100), "has no figures of these examples")

	require.NoError(t, os.WriteFile(path, []byte("example,result\nwear,life\n"), 0o644))
	_, err = readRecord(path)
	assert.Error(t, err)
}

// TestFiles: a training writes a network that can be read, data are written as networks read
// them.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run(context.Background(), "machine", 2, dir, ""))
	m, err := frontend.Load(filepath.Join(dir, "machine/machine.dnn"), frontend.Options{})
	require.NoError(t, err)
	assert.Len(t, m.Outputs, 2)
	assert.ErrorContains(t, run(context.Background(), "machines", 2, dir, ""), `no example "machines"`)

	require.NoError(t, run(context.Background(), "", 0, dir, dir))
	for _, e := range tasks.All {
		for name, s := range sizes {
			f, err := weights.Open(filepath.Join(dir, e.Name, name))
			require.NoError(t, err)
			for _, name := range f.Names() {
				x, _ := f.Tensor(name)
				assert.Equal(t, s.n, x.Shape[0])
			}
		}
	}
}
