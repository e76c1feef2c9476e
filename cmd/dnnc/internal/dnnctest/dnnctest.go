// Package dnnctest has what the tests of several commands share: dnnc itself, in the
// process of the test and as a process of its own, and tools of other people.
package dnnctest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
)

// Root is the repository, seen from a package in cmd/dnnc/internal.
const Root = "../../../.."

// Networks and data of the repository.
const (
	Lenet       = Root + "/testdata/lenet5/lenet5.dnn"
	TrainImages = Root + "/testdata/lenet5/fashion-train-images-idx3-ubyte.gz"
	TestImages  = Root + "/testdata/lenet5/fashion-test-images-idx3-ubyte.gz"
)

// StandsIn is the variable that makes a test's executable dnnc.
const StandsIn = "DNNC_STANDS_IN"

// Main is the TestMain of a package whose tests start dnnc as a process: it lets their
// executable stand in for it.
func Main(m *testing.M) {
	if os.Getenv(StandsIn) != "" {
		command.Main()
	}
	os.Exit(m.Run())
}

// Run is dnnc with some arguments.
func Run(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = command.Run(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

// Succeed is Run with arguments that must succeed; it returns what was printed.
func Succeed(t testing.TB, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := Run(t, args...)
	require.Equal(t, command.Done, code, "dnnc %s\n%s", strings.Join(args, " "), stderr)
	return stdout
}

// Path is an executable that is dnnc; the package has Main.
func Path(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "dnnc")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+StandsIn+"=1 exec '"+self+"' \"$@\"\n"), 0o755))
	return path
}

// Copied is a folder with LeNet-5, its weights and its data in it.
func Copied(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	list, err := filepath.Glob(filepath.Join(filepath.Dir(Lenet), "*"))
	require.NoError(t, err)
	for _, path := range list {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o644))
	}
	return dir
}

// Need skips a long test, and one whose tools are not installed.
func Need(t testing.TB, tools ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("not short")
	}
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil && !strings.Contains(name, "/") {
			t.Skip(err)
		}
	}
}

// Full skips what only make test-full runs.
func Full(t testing.TB) {
	t.Helper()
	if !IsFull() {
		t.Skip("make test-full runs this")
	}
}

// IsFull reports whether make test-full runs, or somebody who takes as much time.
func IsFull() bool { return os.Getenv("DNNC_FULL") != "" }

// Repeats is how often a test repeats: a few times, and many times in make test-full.
func Repeats(few, many int) int {
	if IsFull() {
		return many
	}
	return few
}

// Data is the folder of MNIST and CIFAR-10 samples that DNNC_DATA names.
func Data(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("DNNC_DATA")
	if folder == "" {
		t.Skip("DNNC_DATA names no folder with mnist/ and cifar10/")
	}
	return folder
}

// Tool runs a program of others in a folder, and returns what it wrote. The test is
// skipped where it is not installed.
func Tool(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && !strings.Contains(name, "/") {
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// Contents are those of some files of a folder.
func Contents(t testing.TB, dir string, names ...string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		out[name] = content
	}
	return out
}

// AssertNoTemporary holds a folder to having no file that dnnc writes and renames.
func AssertNoTemporary(t testing.TB, dir string) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, ".dnnc-new-*"))
	require.NoError(t, err)
	assert.Empty(t, list, "no temporary file is left")
}
