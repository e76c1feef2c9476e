package robust

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/cells"
	"github.com/dnnc/dnnc/runtime/seal"
)

// TestSearchesShareAStore: searches side by side choose and report what one alone does, and nothing is
// measured twice; a later search measures nothing.
func TestSearchesShareAStore(t *testing.T) {
	type outcome struct {
		o      *madeUp
		n      *Network
		report pass.SearchReport
	}
	run := func(method, store string, step int) outcome {
		o, env := newMadeUp(t), environment(t)
		o.step = step
		o.random(4)
		o.together = o.coupled(.2)
		if store != "" {
			s, err := cells.Open(store)
			require.NoError(t, err)
			env.Store = s
		}
		s := o.search(env)
		n, err := s.Choose(context.Background(), method, 1200)
		assert.NoError(t, err)
		kept, expected, err := s.retention(context.Background(), n.Formats)
		assert.NoError(t, err)
		assert.Equal(t, o.keeps(n.Formats), kept)
		assert.True(t, math.IsNaN(expected))
		return outcome{o, n, env.Report}
	}
	for _, c := range []struct {
		method string
		step   int
	}{{"qed", 0}, {"qstar", 0}, {"greedy", 0}, {"greedy-nearest", 0}, {"qed", 200}, {"greedy", 32}} {
		method := c.method
		alone := run(method, "", c.step)
		for _, processes := range []int{1, 2, 5} {
			store := t.TempDir()
			list := make([]outcome, processes)
			var all sync.WaitGroup
			for i := range list {
				all.Go(func() { list[i] = run(method, store, c.step) })
			}
			all.Wait()
			var asked, rounded []string
			networks := 0
			for _, x := range list {
				assert.Equal(t, alone.n, x.n, method)
				assert.Equal(t, alone.report, x.report, method)
				asked, rounded = append(asked, x.o.asked...), append(rounded, x.o.rounded...)
				networks += x.o.networks
			}
			assert.ElementsMatch(t, alone.o.asked, asked, "%s by %d", method, processes)
			slices.Sort(rounded)
			assert.Equal(t, len(slices.Compact(slices.Clone(rounded))), len(rounded), "rounded once: %v", rounded)
			assert.GreaterOrEqual(t, networks, alone.o.networks, "%s by %d", method, processes)
			assert.LessOrEqual(t, networks, alone.o.networks+(processes-1)*localSteps, "%s by %d: guesses", method, processes)
			later := run(method, store, c.step)
			assert.Equal(t, alone.n, later.n, method)
			assert.Empty(t, later.o.asked, method)
			assert.Zero(t, later.o.networks, method)
		}
	}
}

// TestSharesOfTheTable: a process rounds the layers that no other has claimed, from the first format on, and measures what is
// rounded; then it helps with another's layer from the last format on, and leaves alone what that has in hand.
func TestSharesOfTheTable(t *testing.T) {
	store, err := cells.Open(t.TempDir())
	require.NoError(t, err)
	o, env := newMadeUp(t), environment(t)
	env.Store, o.step = store, 300
	s := o.search(env)
	claim := func(words ...any) (release func()) {
		k, err := s.question(onJudged, words...)
		require.NoError(t, err)
		release, ok, err := store.Claim(k) // of another
		require.NoError(t, err)
		require.True(t, ok)
		return release
	}
	claim("stretch", 0) // the convolution
	claim("part", 0, 0) // so this process is with the second one
	release := claim("weights", "conv", s.format(0, s.menu[0][0]))
	free := sync.OnceFunc(release)
	env.Progress = func(_ string, done, _ int) {
		if done == 11 {
			free() // it was killed
		}
	}
	require.NoError(t, s.fill(context.Background(), judgedImages, s.all))
	var rounded, asked []string
	name := func(l, f int) string { return fmt.Sprintf("%s %v", o.layers[l].Name(), s.format(l, s.menu[l][f])) }
	for _, l := range []int{1, 2, 0} {
		for f := range s.menu[l] {
			assert.Equal(t, o.of(l, s.format(l, s.menu[l][f]), judgedImages), s.table[l][f].cost)
			if l == 0 {
				f = len(s.menu[l]) - 1 - f
			}
			rounded = append(rounded, name(l, f))
		}
	}
	assert.Equal(t, rounded, o.rounded)
	for _, count := range []int{212, 300} {
		for l := 1; l < layerCount; l++ {
			for f := range s.menu[l] {
				asked = append(asked, fmt.Sprint(name(l, f), " ", count))
			}
		}
	}
	assert.Equal(t, asked, o.asked[:len(asked)])
}

// TestDamagedAnswers: what a disk or an editor changed is measured again; searches of other things have other answers.
func TestDamagedAnswers(t *testing.T) {
	dir := t.TempDir()
	run := func(change func(o *madeUp, env *pass.Env)) *madeUp {
		store, err := cells.Open(dir)
		require.NoError(t, err)
		o, env := newMadeUp(t), environment(t)
		env.Store = store
		change(o, env)
		_, err = o.search(env).Choose(context.Background(), "qed", 1200)
		require.NoError(t, err)
		return o
	}
	same := func(*madeUp, *pass.Env) {}
	whole := len(run(same).asked)
	files, err := filepath.Glob(filepath.Join(dir, "??", "*"))
	require.NoError(t, err)
	slices.SortFunc(files, cmp.Compare)
	damaged := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.Contains(string(text), `"Packed"`) {
			require.NoError(t, os.WriteFile(f, text[1:], 0o666)) // all weights
		} else if strings.Contains(string(text), `"MSE":[`) {
			require.NoError(t, os.Remove(f)) // all items
		}
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			continue
		}
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		if strings.Contains(string(text), `"KL":0.0`) && damaged < 3 {
			damaged++
			require.NoError(t, os.WriteFile(f, []byte(strings.Replace(string(text), `"KL":0.0`, `"KL":0.1`, 1)), 0o666))
		}
	}
	require.Equal(t, 3, damaged)
	o := run(same)
	assert.Equal(t, 3, len(o.asked)+o.networks)
	assert.Len(t, run(func(o *madeUp, _ *pass.Env) { o.name = "another network" }).asked, whole)

	// What others sealed, and answers nothing.
	for _, forged := range []string{`{"answer":null}`, `{"answer":{}}`, `{"answer":{"KL":0.1,"Kinds":[0.1]}}`} {
		for _, f := range files {
			require.NoError(t, os.WriteFile(f, seal.Add([]byte(forged)), 0o666))
		}
		o := run(func(_ *madeUp, env *pass.Env) { env.Objective = "worst" })
		assert.Len(t, o.asked, whole, forged)
		require.NoError(t, os.RemoveAll(dir))
		run(same)
	}
}
