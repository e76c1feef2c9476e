package driver_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// killed runs dnnc and kills it, with all that it started, at a random moment of its
// usual time. is is false where it had ended by then, after the time that it took.
func killed(t *testing.T, usual time.Duration, dir string, args ...string) (took time.Duration, is bool) {
	c := dnnctest.StandIn(t, dir, args...)
	from := time.Now()
	require.NoError(t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		require.NoError(t, err)
		return time.Since(from), false
	case <-time.After(time.Duration(rand.Int64N(int64(usual)))):
	}
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
	return time.Since(from), <-ended != nil
}

// TestKilledBuildsLeaveWholeFiles kills builds that are to replace older files: each
// file must be the old one or the new one.
func TestKilledBuildsLeaveWholeFiles(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := dnnctest.Workspace(t)
	names := []string{"net.o", "net.h", "net.json", "net.c"}
	build := []string{"lenet5.dnn", "-target", "x86_64", "-images", "16", "-emit", "obj,c", "-o", "net.o"}
	other := append(build, "-O", "universal", "-bits", "4", "-rounding", "nearest")
	out, err := dnnctest.StandIn(t, dir, build...).CombinedOutput()
	require.NoError(t, err, string(out))
	old := dnnctest.Contents(t, dir, names...)
	from := time.Now()
	out, err = dnnctest.StandIn(t, dir, other...).CombinedOutput()
	require.NoError(t, err, string(out))
	usual := time.Since(from)
	anew := dnnctest.Contents(t, dir, names...)
	for _, name := range names {
		require.NotEqual(t, old[name], anew[name])
	}
	for hits := 0; hits < dnnctest.Repeats(4, 200); {
		for name, content := range old {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
		}
		if took, is := killed(t, usual, dir, other...); is {
			hits++
		} else {
			usual = took // the machine was busier when it was measured
		}
		got := dnnctest.Contents(t, dir, names...)
		for _, name := range names {
			if !bytes.Equal(got[name], anew[name]) {
				assert.True(t, bytes.Equal(got[name], old[name]), "%s is neither old nor new", name)
			}
		}
		if bytes.Equal(got["net.o"], anew["net.o"]) {
			assert.Equal(t, anew, got, "the object comes last")
		}
	}
	out, err = dnnctest.StandIn(t, dir, other...).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, anew, dnnctest.Contents(t, dir, names...))
	dnnctest.AssertNoTemporary(t, dir) // the last run swept away what the killed ones left
}

// TestKilledSearchesGoOn kills searches, each of which goes on from the checkpoint
// of the one before; what comes out is that of an undisturbed one.
func TestKilledSearchesGoOn(t *testing.T) {
	path := dnnctest.KindsFolder(t)
	dir := path("")
	search := func(out string) []string {
		return []string{"classes.dnn", "-calib", "data.npz", "-target", "x86_64", "-images", "40", "-errors", "gaussian=0.1", "-O", "robust", "-bits", "2.5",
			"-formats", "odd,vec", "-stop-after", "robust", "-emit", "ir", "-o", out}
	}
	from := time.Now()
	out, err := dnnctest.StandIn(t, dir, search("undisturbed.dnn")...).CombinedOutput()
	require.NoError(t, err, string(out))
	usual := time.Since(from)
	for hits := 0; hits < dnnctest.Repeats(20, 200); {
		if rand.IntN(4) == 0 {
			_ = os.Remove(filepath.Join(dir, "state"))
		}
		_, err := os.Stat(filepath.Join(dir, "state"))
		took, is := killed(t, usual, dir, append(search("killed.dnn"), "-checkpoint", "state")...)
		if is {
			hits++
			continue
		}
		if err != nil { // it began anew, and took less than when it was measured
			usual = took
		}
		got := dnnctest.Contents(t, dir, "undisturbed.dnn", "killed.dnn")
		assert.Equal(t, string(got["undisturbed.dnn"]), string(got["killed.dnn"]))
		_ = os.Remove(filepath.Join(dir, "state"))
	}
	out, err = dnnctest.StandIn(t, dir, append(search("killed.dnn"), "-checkpoint", "state")...).CombinedOutput()
	require.NoError(t, err, string(out))
	got := dnnctest.Contents(t, dir, "undisturbed.dnn", "killed.dnn")
	assert.Equal(t, string(got["undisturbed.dnn"]), string(got["killed.dnn"]))
	// A checkpoint of other flags or a damaged one is refused, and left as it is.
	before := dnnctest.Contents(t, dir, "state")
	raw := before["state"]
	for name, content := range map[string][]byte{"cut": raw[:len(raw)/2], "empty": {}, "noise": []byte("\x00\xff nothing")} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
		out, err := dnnctest.StandIn(t, dir, append(search("x.dnn"), "-checkpoint", name)...).CombinedOutput()
		if err == nil {
			// It may be passed over, if the outcome is right all the same.
			assert.Equal(t, string(got["undisturbed.dnn"]), string(dnnctest.Contents(t, dir, "x.dnn")["x.dnn"]), "%s: %s", name, out)
			continue
		}
		assert.NotContains(t, string(out), "internal error", name)
	}
}

// TestNowhereToWrite: folders that cannot be written, a full disk, a closed pipe.
func TestNowhereToWrite(t *testing.T) {
	dir := dnnctest.Copied(t)
	emit := []string{"lenet5.dnn", "-target", "x86_64", "-images", "16", "-emit", "c"}
	for want, path := range map[string]string{
		"no such file": "none/net.c", "/proc/": "/proc/net.c", "not a directory": "lenet5.dnn/net.c",
	} {
		out, err := dnnctest.StandIn(t, dir, append(emit, "-o", path)...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, path)
		assert.Equal(t, command.AtFault, exit.ExitCode(), "%s", out)
		assert.Contains(t, string(out), want)
		assert.Contains(t, string(out), "output")
	}
	if _, err := os.Stat("/dev/full"); err == nil {
		c := dnnctest.StandIn(t, dir, append(emit, "-o", "-")...)
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		defer full.Close()
		var messages bytes.Buffer
		c.Stdout, c.Stderr = full, &messages
		assert.Error(t, c.Run())
		assert.Contains(t, messages.String(), "no space left")
	}
	// A file that finds no room, after others that found theirs: none is replaced.
	old := map[string][]byte{"net.c": []byte("old c"), "net.h": []byte("old header"), "net.json": []byte("old certificate")}
	for name, content := range old {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
	}
	limited := dnnctest.StandIn(t, dir)
	limited.Args = append([]string{"sh", "-c", `ulimit -f 64; exec "$@"`, "sh", limited.Path}, append(emit, "-o", "net.c")...)
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	limited.Path = sh
	out, err := limited.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	assert.Equal(t, command.AtFault, exit.ExitCode(), "%s", out)
	assert.Contains(t, string(out), "net.c: file too large")
	assert.Equal(t, old, dnnctest.Contents(t, dir, "net.c", "net.h", "net.json"))
	dnnctest.AssertNoTemporary(t, dir)
	// A reader that goes away.
	c := dnnctest.StandIn(t, dir, append(emit, "-o", "-")...)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	c.Stdout = w
	require.NoError(t, c.Start())
	w.Close()
	_, err = io.ReadFull(r, make([]byte, 10))
	require.NoError(t, err)
	r.Close()
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case err := <-ended:
		assert.Error(t, err)
	case <-time.After(time.Minute):
		_ = c.Process.Kill()
		t.Fatal("dnnc goes on without a reader")
	}
	dnnctest.AssertNoTemporary(t, dir)
}

// TestOutputsThatAreNoFiles: devices and links are written to, not replaced.
func TestOutputsThatAreNoFiles(t *testing.T) {
	dir := dnnctest.Workspace(t)
	emit := []string{"lenet5.dnn", "-target", "x86_64", "-images", "16", "-stop-after", "infer", "-emit", "svg", "-o"}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "real.svg"), nil, 0o644))
	require.NoError(t, os.Symlink("real.svg", filepath.Join(dir, "link.svg")))
	out, err := dnnctest.StandIn(t, dir, append(emit, "link.svg")...).CombinedOutput()
	require.NoError(t, err, string(out))
	info, err := os.Lstat(filepath.Join(dir, "link.svg"))
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeSymlink)
	assert.Contains(t, string(dnnctest.Contents(t, dir, "real.svg")["real.svg"]), "<svg")
	pipe := filepath.Join(dir, "pipe.svg")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	got := make(chan string, 1)
	go func() {
		content, _ := os.ReadFile(pipe)
		got <- string(content)
	}()
	out, err = dnnctest.StandIn(t, dir, append(emit, pipe)...).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.True(t, strings.HasPrefix(<-got, "<svg"))
	info, err = os.Lstat(pipe)
	require.NoError(t, err)
	assert.NotZero(t, info.Mode()&os.ModeNamedPipe)
}

// TestTwoBuildsAtOnce write the same files.
func TestTwoBuildsAtOnce(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := dnnctest.Workspace(t)
	build := []string{"lenet5.dnn", "-target", "x86_64", "-images", "16", "-o", "net.o"}
	var runs []*exec.Cmd
	for range 2 {
		c := dnnctest.StandIn(t, dir, build...)
		require.NoError(t, c.Start())
		runs = append(runs, c)
	}
	for _, c := range runs {
		require.NoError(t, c.Wait())
	}
	both := dnnctest.Contents(t, dir, "net.o", "net.h", "net.json")
	out, err := dnnctest.StandIn(t, dir, build...).CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, dnnctest.Contents(t, dir, "net.o", "net.h", "net.json"), both)
}

// TestNowhereToWriteIsToldFirst: before the long work, not after it.
func TestNowhereToWriteIsToldFirst(t *testing.T) {
	dir := dnnctest.Copied(t)
	net, nowhere := filepath.Join(dir, "lenet5.dnn"), filepath.Join(dir, "no", "such", "file")
	for _, args := range [][]string{
		{"build", net, "-target", "x86_64", "-emit", "c", "-o", nowhere + ".c"},
		{"build", net, "-target", "x86_64", "-emit", "ir", "-o", nowhere + ".dnn"},
		{"pareto", net, "-o", nowhere + ".svg"},
		{"build", "-O", "robust", net, "-target", "x86_64", "-emit", "c", "-o", filepath.Join(dir, "x.c"), "-checkpoint", nowhere},
	} {
		code, stdout, stderr := dnnctest.Run(t, args...)
		assert.Equal(t, command.AtFault, code, args)
		assert.Empty(t, stdout, args)
		assert.Regexp(t, `^dnnc: output: .*: no such file or directory\n    help: make the folder .*such first\n$`, stderr, args)
	}
	dnnctest.AssertNoTemporary(t, dir)
}
