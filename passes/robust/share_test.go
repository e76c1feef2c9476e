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
	run := func(method, store string) outcome {
		o, env := newMadeUp(t), environment(t)
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
	for _, method := range []string{"qed", "qstar", "greedy", "greedy-nearest"} {
		alone := run(method, "")
		for _, processes := range []int{1, 2, 5} {
			store := t.TempDir()
			list := make([]outcome, processes)
			var all sync.WaitGroup
			for i := range list {
				all.Go(func() { list[i] = run(method, store) })
			}
			all.Wait()
			var asked []string
			networks := 0
			for _, x := range list {
				assert.Equal(t, alone.n, x.n, method)
				assert.Equal(t, alone.report, x.report, method)
				asked = append(asked, x.o.asked...)
				networks += x.o.networks
			}
			assert.ElementsMatch(t, alone.o.asked, asked, "%s by %d", method, processes)
			assert.Equal(t, alone.o.networks, networks, "%s by %d", method, processes)
			later := run(method, store)
			assert.Equal(t, alone.n, later.n, method)
			assert.Empty(t, later.o.asked, method)
			assert.Zero(t, later.o.networks, method)
		}
	}
}

// TestSharesOfTheTable: a process begins with a layer that no other has claimed, from the first format on, and helps with
// others' layers from the last format on; what another has in hand it leaves alone.
func TestSharesOfTheTable(t *testing.T) {
	store, err := cells.Open(t.TempDir())
	require.NoError(t, err)
	o, env := newMadeUp(t), environment(t)
	env.Store = store
	s := o.search(env)
	layer, err := s.question(onJudged, "layer", "conv", judgedImages)
	require.NoError(t, err)
	_, ok, err := store.Claim(layer) // of another
	require.NoError(t, err)
	require.True(t, ok)
	first, err := s.aloneKey(0, s.format(0, s.menu[0][0]), judgedImages)
	require.NoError(t, err)
	release, ok, err := store.Claim(first) // which it measures now
	require.NoError(t, err)
	require.True(t, ok)
	of := o.of
	free := sync.OnceFunc(release)
	env.Progress = func(_ string, done, _ int) {
		if done == 11 {
			free() // it was killed
		}
	}
	require.NoError(t, s.fill(context.Background(), judgedImages, s.all))
	var want []string
	for _, l := range []int{1, 2, 0} {
		for f := range s.menu[l] {
			if l == 0 {
				f = len(s.menu[l]) - 1 - f
			}
			want = append(want, fmt.Sprintf("%s %v %d", o.layers[l].Name(), s.format(l, s.menu[l][f]), judgedImages))
			assert.Equal(t, of(l, s.format(l, s.menu[l][f]), judgedImages), s.table[l][f].cost)
		}
	}
	assert.Equal(t, want, o.asked)
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
