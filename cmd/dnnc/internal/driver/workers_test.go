package driver_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/runtime/seal"
)

// sharedSearch is a small search that writes a dump.
func sharedSearch(out string) []string {
	return []string{"classes.dnn", "-calib", "data.npz", "-target", "x86_64", "-images", "40", "-errors", "gaussian=0.1", "-O", "robust", "-bits", "2.5",
		"-formats", "odd,vec", "-stop-after", "robust", "-emit", "ir", "-o", out}
}

// TestWorkersMakeTheSameBytes: with any number of processes, over a folder of the user's or one for the time, and from
// what an earlier search left in it.
func TestWorkersMakeTheSameBytes(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dir := path("")
	temporary := filepath.Join(t.TempDir(), "tmp")
	require.NoError(t, os.Mkdir(temporary, 0o777))
	build := func(args ...string) (dump, said string) {
		c := dnnctest.StandIn(t, dir, append(sharedSearch("net.dnn"), args...)...)
		c.Env = append(c.Env, "TMPDIR="+temporary)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%v: %s", args, out)
		assert.NotContains(t, string(out), "a worker ended", args)
		return string(dnnctest.Contents(t, dir, "net.dnn")["net.dnn"]), string(out)
	}
	alone, _ := build()
	for _, args := range [][]string{{"-workers", "1"}, {"-workers", "2"}, {"-workers", "4"}, {"-store", "store"}, {"-store", "store"}, {"-store", "store", "-workers", "3"}} {
		dump, _ := build(args...)
		assert.Equal(t, alone, dump, args)
	}
	// What comes after the search is no worker's, and disturbs none.
	c := dnnctest.StandIn(t, dir, "classes.dnn", "-calib", "data.npz", "-target", "x86_64", "-images", "40", "-errors", "gaussian=0.1", "-O", "robust", "-bits", "2.5", "-formats", "odd2,odd4",
		"-workers", "3", "-tune", "1e6", "-emit", "c,ir", "-MD", "-report", "fidelity", "-lend", "-stats", "stats", "-dump-dir", "dumps", "-check-passes", "-time-passes", "-task", "classes", "-o", "net.c")
	c.Env = append(c.Env, "TMPDIR="+temporary)
	text, err := c.CombinedOutput()
	require.NoError(t, err, string(text))
	assert.NotContains(t, string(text), "a worker ended")
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)

	out, err := dnnctest.StandIn(t, dir, append([]string{"worker"}, append(sharedSearch("never.dnn"), "-store", "store", "-checkpoint", "never", "-dump-dir", "never")...)...).Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "the search is done: this worker computed 0 answers")
	for _, never := range []string{"never.dnn", "never"} {
		assert.NoFileExists(t, path(never))
	}
	// A share of the answers is computed again, and a forged one is found.
	dump, _ := build("-store", "store", "-recheck", "1")
	assert.Equal(t, alone, dump)
	// An answer that is damaged is computed again.
	files, err := filepath.Glob(path("store/??/*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, f := range files[:4] {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(f, [][]byte{text[:len(text)/2], {}, bytes.ToUpper(text), []byte("\x00")}[i], 0o666))
	}
	dump, _ = build("-store", "store")
	assert.Equal(t, alone, dump)
	out, err = dnnctest.StandIn(t, dir, append([]string{"worker"}, append(sharedSearch("x"), "-store", "store")...)...).Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "this worker computed 0 answers", "they were mended")
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		forged := regexp.MustCompile(`"KL":[^,}]+`).ReplaceAll(text, []byte(`"KL":7`))
		if bytes.Equal(forged, text) {
			continue
		}
		forged = regexp.MustCompile(`,"sum":"\w+"`).ReplaceAll(forged, nil)
		require.NoError(t, os.WriteFile(f, seal.Add(forged), 0o666))
	}
	out, err = dnnctest.StandIn(t, dir, append(sharedSearch("x.dnn"), "-store", "store", "-recheck", "1")...).CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "the store answers the question")
	assert.NoFileExists(t, path("x.dnn"))
}

// TestFaultsOfSharing are found before the search, and named.
func TestFaultsOfSharing(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	search := func(args ...string) []string {
		words := sharedSearch(path("net.dnn"))
		words[0], words[2] = path(words[0]), path(words[2])
		return append(words, args...)
	}
	int8 := func(args ...string) []string {
		return append([]string{path("classes.dnn"), "-calib", path("data.npz"), "-target", "x86_64", "-images", "40", "-o", path("net.o")}, args...)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{search("-store", path("more.npz")), "-store " + path("more.npz") + ": not a directory"},
		{search("-store", path("")), "and is no store"},
		{search("-workers", "0"), "-workers"},
		{int8("-store", path("store")), "-store keeps what a search measures, and -O int8 searches nothing"},
		{int8("-workers", "2"), "leave -store and -workers out"},
		{append([]string{"worker"}, search()...), "the folder of -store, which is not named"},
		{append([]string{"worker"}, search("-store", path("store"), "-workers", "2")...), "one process"},
		{append([]string{"worker"}, int8("-store", path("store"))...), "searches nothing"},
	} {
		code, _, stderr := dnnctest.Run(t, c.args...)
		assert.Contains(t, []int{command.AtFault, command.BadUsage}, code, c.args)
		assert.Contains(t, stderr, c.want, c.args)
		assert.NoFileExists(t, path("net.dnn"))
		assert.NoFileExists(t, path("net.o"))
		assert.NoFileExists(t, path("store"))
	}
}

// TestKilledProcesses kills builds and workers of one search at random moments; what comes out at the end is that of an undisturbed
// one, and only what was in hand is computed twice.
func TestKilledProcesses(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dir := path("")
	from := time.Now()
	out, err := dnnctest.StandIn(t, dir, sharedSearch("undisturbed.dnn")...).CombinedOutput()
	require.NoError(t, err, string(out))
	usual := time.Since(from)
	start := func(words ...string) *exec.Cmd {
		c := dnnctest.StandIn(t, dir, slices.Concat(words, []string{"-store", "store"})...)
		require.NoError(t, c.Start())
		return c
	}
	for range dnnctest.Repeats(2, 20) {
		require.NoError(t, os.RemoveAll(path("store")))
		worker := start(append([]string{"worker"}, sharedSearch("x")...)...)
		build := start(sharedSearch("killed.dnn")...)
		time.Sleep(time.Duration(rand.Int64N(int64(usual))))
		victims := []*exec.Cmd{worker, build}
		if rand.IntN(2) == 0 {
			slices.Reverse(victims)
		}
		_ = syscall.Kill(-victims[0].Process.Pid, syscall.SIGKILL)
		_ = victims[0].Wait()
		require.NoError(t, victims[1].Wait(), "the other goes on")
		out, err := dnnctest.StandIn(t, dir, append(sharedSearch("killed.dnn"), "-store", "store")...).CombinedOutput()
		require.NoError(t, err, string(out))
		got := dnnctest.Contents(t, dir, "undisturbed.dnn", "killed.dnn")
		assert.Equal(t, string(got["undisturbed.dnn"]), string(got["killed.dnn"]))
	}
	// Workers end with the build that started them, however it ends.
	build := dnnctest.StandIn(t, dir, append(sharedSearch("killed.dnn"), "-workers", "2", "-store", "other", "-images", "80", "-formats", "odd,vec,code")...)
	require.NoError(t, build.Start())
	require.Eventually(t, func() bool { return len(workersOf(t, build.Process.Pid)) > 0 }, time.Minute, 5*time.Millisecond)
	list := workersOf(t, build.Process.Pid)
	_ = syscall.Kill(build.Process.Pid, syscall.SIGKILL)
	_ = build.Wait()
	for _, pid := range list {
		assert.Eventually(t, func() bool { return !isRunning(pid) }, time.Minute, 50*time.Millisecond)
	}
}

// workersOf are the children of a process, each of which the thread has that started it.
func workersOf(t *testing.T, pid int) (list []string) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("this system lists no children")
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil { // else the thread has ended
			list = append(list, strings.Fields(string(text))...)
		}
	}
	return list
}

func isRunning(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}
