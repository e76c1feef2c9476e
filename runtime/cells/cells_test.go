package cells

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/diag"
)

func TestKeys(t *testing.T) {
	assert.Equal(t, KeyOf("a", 1), KeyOf("a", 1))
	for _, other := range []Key{KeyOf("a", 2), KeyOf("a"), KeyOf("a1"), KeyOf("a\n1"), KeyOf("a", "1\n"), KeyOf("a", 1, "")} {
		assert.NotEqual(t, KeyOf("a", 1), other)
	}
}

// TestAnswersAreKept: an answer is computed once, by whatever process, and anew where its file is damaged.
func TestAnswersAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	type point struct{ X, Y float64 }
	computed := 0
	ask := func(answer point) point {
		s, err := Open(dir)
		require.NoError(t, err)
		got, err := Answer(context.Background(), s, KeyOf("where"), Any[point], func() (point, error) { computed++; return answer, nil })
		require.NoError(t, err)
		return got
	}
	want := point{.1 + .2, math.SmallestNonzeroFloat64}
	assert.Equal(t, want, ask(want))
	assert.Equal(t, want, ask(point{}), "to the last bit")
	require.Equal(t, 1, computed)

	k := KeyOf("where").String()
	file := filepath.Join(dir, k[:2], k[2:])
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	for at := range whole {
		for _, damaged := range [][]byte{whole[:at], append(append(append([]byte{}, whole[:at]...), whole[at]^1), whole[at+1:]...)} {
			require.NoError(t, os.WriteFile(file, damaged, 0o666))
			before := computed
			require.Equal(t, want, ask(want), "%q", damaged)
			require.Equal(t, before+1, computed, "%q", damaged)
		}
	}
}

// TestClaims: a question is one process's at a time; a claim that is not renewed ends.
func TestClaims(t *testing.T) {
	dir := t.TempDir()
	a, err := Open(dir)
	require.NoError(t, err)
	b, err := Open(dir)
	require.NoError(t, err)
	a.beats, b.beats = true, true // the test renews
	hour := time.Now()
	a.now = func() time.Time { return hour }
	b.now = func() time.Time { return hour.Add(-24 * time.Hour) } // its clock is slow
	claims := func(f *Folder) func() {
		release, ok, err := f.Claim(Key{1})
		require.NoError(t, err)
		require.Equal(t, ok, release != nil)
		return release
	}
	release := claims(a)
	require.NotNil(t, release)
	assert.Nil(t, claims(a), "held by this process")
	for range 10 {
		require.Nil(t, claims(b), "the holder renews it")
		hour = hour.Add(Lease - time.Second)
		a.renew()
	}
	release()
	release = claims(b)
	require.NotNil(t, release)
	release()

	// Of a process that was killed, on another machine and on this one.
	require.NoError(t, os.WriteFile(filepath.Join(dir, claimOf(Key{1})), nil, 0o666))
	assert.Nil(t, claims(a))
	hour = hour.Add(Lease - time.Second)
	assert.Nil(t, claims(a))
	hour = hour.Add(time.Second)
	release = claims(a)
	require.NotNil(t, release)
	assert.Nil(t, claims(b))
	release()
	c := exec.Command("true")
	require.NoError(t, c.Run())
	require.NoError(t, os.WriteFile(filepath.Join(dir, claimOf(Key{1})), fmt.Appendf(nil, "%s %d\n", a.host, c.Process.Pid), 0o666))
	release = claims(a)
	require.NotNil(t, release)
	release()
}

// TestManyAsk: however many ask, each question is computed once, and all have the answers.
func TestManyAsk(t *testing.T) {
	dir := t.TempDir()
	var computed atomic.Int32
	var all sync.WaitGroup
	const processes, questions = 5, 20
	for range processes {
		s, err := Open(dir)
		require.NoError(t, err)
		all.Go(func() {
			for q := range questions {
				got, err := Answer(context.Background(), s, KeyOf(q), Any[int], func() (int, error) { computed.Add(1); return q * q, nil })
				assert.NoError(t, err)
				assert.Equal(t, q*q, got)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, questions, computed.Load())
}

// checked is a store of which all answers are computed again.
type checked struct{ Store }

func (checked) Rechecks(Key) bool { return true }

// TestRechecks: what a store has is computed again where it is to be checked, and a lie is found.
func TestRechecks(t *testing.T) {
	s, err := Open(t.TempDir())
	require.NoError(t, err)
	computed := 0
	ask := func(s Store, x float64) (float64, error) {
		return Answer(context.Background(), s, KeyOf("q"), Any[float64], func() (float64, error) { computed++; return x, nil })
	}
	for _, x := range []Store{checked{s}, checked{s}, s} {
		got, err := ask(x, .5)
		require.NoError(t, err)
		assert.Equal(t, .5, got)
	}
	assert.Equal(t, 2, computed)
	_, err = ask(checked{s}, .25)
	assert.ErrorContains(t, err, "with 0.5, and this process with 0.25")
	var d *diag.Diagnostic
	require.ErrorAs(t, err, &d, "not a fault of dnnc's")
	assert.Equal(t, diag.CheckFailed, d.Kind)
}

// TestFaults: what cannot be computed or kept is an error or nobody's answer, and no claim stays.
func TestFaults(t *testing.T) {
	s, err := Open(t.TempDir())
	require.NoError(t, err)
	broken := errors.New("broken")
	_, err = Answer(context.Background(), s, KeyOf("q"), Any[int], func() (int, error) { return 0, broken })
	assert.ErrorIs(t, err, broken)
	for range 2 {
		v, err := Answer(context.Background(), s, KeyOf("q"), Any[float64], func() (float64, error) { return math.Inf(1), nil })
		require.NoError(t, err)
		assert.Equal(t, math.Inf(1), v, "computed by each")
	}
	release, ok, err := s.Claim(KeyOf("q"))
	require.NoError(t, err)
	require.True(t, ok)
	defer release()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Poll)
	defer cancel()
	_, err = Answer(ctx, s, KeyOf("q"), Any[int], func() (int, error) { return 1, nil })
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	v, err := Answer(context.Background(), nil, KeyOf("q"), Any[int], func() (int, error) { return 1, nil })
	require.NoError(t, err)
	assert.Equal(t, 1, v, "without a store")
}

func TestFoldersOfOthers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o666))
	_, err := Open(dir)
	assert.EqualError(t, err, `the folder holds "thesis.tex", and is no store`)
	_, err = Open(filepath.Join(dir, "thesis.tex"))
	assert.EqualError(t, err, "not a directory")
	s, err := Open(filepath.Join(dir, "store"))
	require.NoError(t, err)
	k := KeyOf("q")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "store", k.String()[:2]), nil, 0o666))
	_, err = Answer(context.Background(), s, k, Any[int], func() (int, error) { return 1, nil })
	assert.EqualError(t, err, filepath.Join(k.String()[:2], k.String()[2:])+": not a directory")
	assert.Equal(t, fmt.Sprintf("%x", k[:]), k.String())
}

// TestLinks: what somebody else puts into a store leads nothing out of it, keeps nobody waiting, and is named.
func TestLinks(t *testing.T) {
	k := KeyOf("q")
	file, claim := filepath.Join(k.String()[:2], k.String()[2:]), filepath.Join("claims", k.String())
	outside := t.TempDir()
	precious := filepath.Join(outside, "precious")
	link := func(to string) func(path string) error {
		return func(path string) error { return os.Symlink(to, path) }
	}
	folder := func(path string) error { return os.Mkdir(path, 0o700) }
	for _, c := range []struct {
		path string
		make func(path string) error
		want string // "" where the answer is computed
	}{
		{file, link(precious), file + ": path escapes from parent"},
		{file, link("../dnnc-store"), ""},
		{file, link("nothing"), ""},
		{file, folder, file + ": is a folder, not a regular file"},
		{k.String()[:2], link(outside), file + ": path escapes from parent"},
		{"claims", link(outside), "path escapes from parent"},
		{claim, link(precious), claim + ": is no regular file"},
		{claim, link("nothing"), claim + ": is no regular file"},
		{claim, folder, claim + ": is no regular file"},
	} {
		require.NoError(t, os.WriteFile(precious, []byte("old"), 0o600))
		dir := t.TempDir()
		_, err := Open(dir)
		require.NoError(t, err)
		path := filepath.Join(dir, c.path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		if err := c.make(path); err != nil {
			t.Skip(err)
		}
		s, err := Open(dir)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		got, err := Answer(ctx, s, k, Any[int], func() (int, error) { return 1, nil })
		cancel()
		if c.want == "" {
			require.NoError(t, err, c.path)
			assert.Equal(t, 1, got)
		} else {
			assert.ErrorContains(t, err, c.want)
		}
		text, err := os.ReadFile(precious)
		require.NoError(t, err)
		assert.Equal(t, "old", string(text))
		list, err := os.ReadDir(outside)
		require.NoError(t, err)
		assert.Len(t, list, 1)
		mark, err := os.ReadFile(filepath.Join(dir, "dnnc-store"))
		require.NoError(t, err)
		assert.Contains(t, string(mark), "Answers of dnnc")
	}
}

// BenchmarkCell is what an answer costs beside its computation, in a folder: looked for, claimed, kept, and taken by
// another process.
func BenchmarkCell(b *testing.B) {
	dir := b.TempDir()
	one, err := Open(dir)
	require.NoError(b, err)
	other, err := Open(dir)
	require.NoError(b, err)
	compute := func() (string, error) { return "of about the length that the answer of a search has", nil }
	for i := 0; b.Loop(); i++ {
		for _, s := range []Store{one, other} {
			_, ok, err := Try(s, KeyOf(i), Any[string], compute)
			require.NoError(b, err)
			require.True(b, ok)
		}
	}
}
