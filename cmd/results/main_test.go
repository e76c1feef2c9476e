package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const record = `network,formats,method,version,seed,bits,images,average,retention,stderr,worst,below,below_stderr,evaluations,macs
net,odd,qed,0,1,1,100,1,0.1,0.01,0.1,0,0,5,10
net,odd,qed,1,1,1,100,1,0.5,0.01,0.4,0,0,5,10
net,odd,qed,1,2,1,100,1,0.7,0.03,0.6,0,0,5,30
net,odd,qed,1,2,1,100,1,0.9,0.03,0.6,0,0,5,30
net,odd,universal,1,1,1,100,NaN,NaN,0,NaN,0,0,0,0
`

func TestMeansOverSeeds(t *testing.T) {
	cells, err := read(csv.NewReader(strings.NewReader(record)))
	require.NoError(t, err)
	require.Len(t, cells, 1, "another version and what is not there do not count")
	assert.Equal(t, []float64{.5, .9}, cells[0].retention.values, "of a seed's rows the last counts")
	assert.InDelta(t, .7, cells[0].retention.mean(), 1e-9)
	assert.InDelta(t, .2, cells[0].retention.stderr(), 1e-9, "the seeds' own spread is wider than the images'")
	assert.InDelta(t, .02, sample{[]float64{1, 2}, []float64{.5, .5}, []float64{.01, .03}}.stderr(), 1e-9)
}

// TestNothingToCompareWith: where the first method has nothing this small, the others'
// place below it stays empty, and does not count in means.
func TestNothingToCompareWith(t *testing.T) {
	cells, err := read(csv.NewReader(strings.NewReader(record + `net,odd,qed,1,1,2,100,1,0.8,0.01,0.4,0,0,5,10
net,odd,greedy,1,1,1,100,1,0.5,0.01,0.4,NaN,NaN,5,10
net,odd,greedy,1,1,2,100,1,0.7,0.01,0.4,0.1,0.01,5,10
net,odd,fisher,1,1,1,100,1,0.5,0.01,0.4,NaN,NaN,5,10
`)))
	require.NoError(t, err)
	text := tables(cells, "2026-01-01")
	assert.Contains(t, text, "| greedy | | +0.1000 ± 0.0196 | +0.1000 ± 0.0196 |")
	assert.Contains(t, text, "| fisher | | | |")
	assert.NotContains(t, text, "NaN")
}

func TestRefresh(t *testing.T) {
	folder := t.TempDir()
	from, into := filepath.Join(folder, "r.csv"), filepath.Join(folder, "RESULTS.md")
	require.NoError(t, os.WriteFile(from, []byte(record), 0o644))
	require.NoError(t, os.WriteFile(into, []byte("a\n"+begin+"\nold\n"+end+"\nz\n"), 0o644))
	for range 2 {
		require.NoError(t, refresh(from, into, "2026-01-01"))
		text, err := os.ReadFile(into)
		require.NoError(t, err)
		assert.Contains(t, string(text), "| qed | 0.7000 ± 0.2000 |")
		assert.NotContains(t, string(text), "old")
		assert.True(t, strings.HasPrefix(string(text), "a\n") && strings.HasSuffix(string(text), "\nz\n"))
	}
	require.NoError(t, os.WriteFile(into, []byte("no place\n"), 0o644))
	assert.Error(t, refresh(from, into, ""))
	require.NoError(t, os.WriteFile(from, []byte("a,b\n1,2\n"), 0o644))
	assert.Error(t, refresh(from, into, ""))
	assert.Error(t, refresh(filepath.Join(folder, "none"), into, ""))
}

// TestResultsAreTheRecord holds RESULTS.md to the record, of the day that the document
// says.
func TestResultsAreTheRecord(t *testing.T) {
	text, err := os.ReadFile("../../RESULTS.md")
	require.NoError(t, err)
	_, part, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	date := regexp.MustCompile(`\d{4}-\d\d-\d\d`).FindString(part)
	require.NotEmpty(t, date)
	again := filepath.Join(t.TempDir(), "RESULTS.md")
	require.NoError(t, os.WriteFile(again, text, 0o644))
	require.NoError(t, refresh("../../testdata/results/search.csv", again, date))
	want, err := os.ReadFile(again)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(text), "make results writes RESULTS.md")
}

func TestComparison(t *testing.T) {
	text := tables([]cell{
		{network: "net", formats: "odd", method: "qed", bits: 1, images: 9, retention: sample{[]float64{1}, []float64{.9}, []float64{.01}}, below: sample{[]float64{1}, []float64{0}, []float64{0}}, macs: sample{[]float64{1}, []float64{100}, []float64{0}}},
		{network: "net", formats: "odd", method: "qstar", bits: 1, images: 9, retention: sample{[]float64{1}, []float64{.891}, []float64{.01}}, below: sample{[]float64{1}, []float64{.009}, []float64{.01}}, macs: sample{[]float64{1}, []float64{8}, []float64{0}}},
		{network: "net", formats: "odd", method: "greedy", bits: 1, images: 9, retention: sample{[]float64{1}, []float64{.99}, []float64{.01}}, below: sample{[]float64{1}, []float64{-.09}, []float64{.01}}, macs: sample{[]float64{1}, []float64{8}, []float64{0}}},
	}, "2026-01-01")
	assert.Contains(t, text, "net, formats odd, 9 test images, 1 seed, 2026-01-01")
	assert.Contains(t, text, "| qstar | +0.0090 ± 0.0196 | +0.0090 ± 0.0196 |")
	assert.Contains(t, text, "| greedy | **-0.0900 ± 0.0196** | **-0.0900 ± 0.0196** |", "what speaks against the first is marked")
	assert.Contains(t, text, "qstar keeps at least 0.9900 of what qed does, with at most 0.080 of its multiply-adds.")
}

// TestMeanOfCells: seeds are averaged over the sizes first, so that what differs
// between sizes is no spread of seeds; a size that lacks a seed does not count.
func TestMeanOfCells(t *testing.T) {
	one := sample{[]float64{1, 2}, []float64{.1, .3}, []float64{.01, .03}}
	two := sample{[]float64{2, 1}, []float64{.5, .7}, []float64{.01, .03}}
	few := sample{[]float64{2}, []float64{9}, []float64{9}}
	mean := over([]sample{one, few, two})
	assert.Equal(t, []float64{1, 2}, mean.seeds)
	assert.InDeltaSlice(t, []float64{.4, .4}, mean.values, 1e-9)
	assert.InDelta(t, .02, mean.stderr(), 1e-9)
	assert.Empty(t, over([]sample{few, {[]float64{4}, []float64{1}, []float64{1}}}).values)
}

// TestMeanOfAllNetworks: every cell of networks with one choice of formats counts once.
func TestMeanOfAllNetworks(t *testing.T) {
	cells, err := read(csv.NewReader(strings.NewReader(record + `net,odd,greedy,1,1,1,100,1,0.5,0.01,0.4,0.1,0.01,5,10
net,odd,fisher,1,1,1,100,1,0.5,0.01,0.4,0.1,0.01,5,10
other,odd,qed,1,1,1,100,1,0.8,0.01,0.4,0,0,5,10
other,odd,greedy,1,1,1,100,1,0.5,0.01,0.4,0.2,0.01,5,10
other,odd,greedy,1,1,2,100,1,0.5,0.01,0.4,0.6,0.01,5,10
third,vec,qed,1,1,1,100,1,0.8,0.01,0.4,0,0,5,10
third,vec,greedy,1,1,1,100,1,0.8,0.01,0.4,9,0,5,10
`)))
	require.NoError(t, err)
	text := overall(groups(cells))
	assert.Contains(t, text, "| greedy | +0.3000 ± 0.0196 |")
	assert.NotContains(t, text, "fisher", "of one network alone")
	assert.Empty(t, overall(nil))
}
