//go:build unix

package command_test

import (
	"bytes"
	"context"
	"errors"
	"io"
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
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/runtime/input"
	"github.com/dnnc/dnnc/runtime/seal"
)

// classes is one that is judged: its answer is one label.
const classes = "network net(a: f32[2,4,4] in [0,1]) -> f32[32] {\n s = softmax(flatten(a))\n return s\n}\n"

// tiny is a network that compiles in no time.
const tiny = "network net(a: f32[2,4,4] in [0,1]) -> f32[2,4,4] {\n s = relu(a)\n return s\n}\n"

// folderOf is a new folder, which is the working one, with files.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	t.Chdir(dir)
	return dir
}

// tree is the content of a folder's files.
func tree(t *testing.T, dir string) map[string]string {
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	}))
	return files
}

// TestDependencyFilesRunNothing: make includes what -MD writes; whatever files are named,
// it looks at them and runs nothing, or the build is refused and leaves no file.
func TestDependencyFilesRunNothing(t *testing.T) {
	dnnctest.Need(t, "make")
	refused := 0
	for _, name := range []string{
		"plain", "two words", "a#b", "a$b", "a$(shell touch PWN)b", "a;touch PWN", "a: ;touch PWN", "a|b", "a=b", "a%b", `a\b`, "a\tb", "a\nPWN: ; touch PWN\nall: PWN", "a\n\ttouch PWN", "a*", "a:b", "ü",
	} {
		t.Run(name, func(t *testing.T) {
			dir := folderOf(t, map[string]string{name + ".dnn": tiny})
			code, _, stderr := dnnctest.Run(t, name+".dnn", "-target", "armv6m", "-emit", "c", "-o", "out.c", "-MD")
			if code != command.Done {
				refused++
				assert.Equal(t, command.AtFault, code)
				assert.Contains(t, stderr, "-MD")
				assert.Len(t, tree(t, dir), 1, "nothing is written")
				return
			}
			require.NoError(t, os.WriteFile("Makefile", []byte("all: out.c\n\t@:\nout.c:\n\t@echo built; touch out.c\n-include out.d\n"), 0o644))
			out, err := exec.Command("make").CombinedOutput()
			require.NoError(t, err, string(out))
			assert.NotContains(t, string(out), "built")
			later := time.Now().Add(time.Hour)
			require.NoError(t, os.Chtimes(name+".dnn", later, later))
			out, err = exec.Command("make").CombinedOutput()
			require.NoError(t, err, string(out))
			assert.Contains(t, string(out), "built")
			assert.NoFileExists(t, "PWN")
		})
	}
	assert.Equal(t, 10, refused)
}

// TestPackagesAreWhatToolsRead: names that CMake and pkg-config cannot hold are refused.
func TestPackagesAreWhatToolsRead(t *testing.T) {
	dnnctest.Need(t, "cmake", "pkg-config", "llc-19")
	for _, c := range []struct {
		emit, name string
		code       int
	}{
		{"cmake", "plain", command.Done}, {"cmake", "a b", command.Done}, {"cmake", `a"b`, command.Done}, {"cmake", "a${PWN}b", command.Done}, {"cmake", "a;b", command.AtFault}, {"cmake", "a\nb", command.AtFault},
		{"pc", "plain", command.Done}, {"pc", "a b", command.AtFault}, {"pc", "a$b", command.AtFault}, {"pc", "a;touch PWN", command.AtFault}, {"pc", "a\nLibs: -lPWN", command.AtFault}, {"pc", `a"b`, command.AtFault},
	} {
		t.Run(c.emit+" "+c.name, func(t *testing.T) {
			dir := folderOf(t, map[string]string{"net.dnn": tiny})
			code, _, stderr := dnnctest.Run(t, "net.dnn", "-target", "x86_64", "-emit", c.emit, "-o", c.name+".a")
			require.Equal(t, c.code, code, stderr)
			if code != command.Done {
				assert.Contains(t, stderr, "-emit "+c.emit)
				assert.Len(t, tree(t, dir), 1)
				return
			}
			if c.emit == "pc" {
				out, err := exec.Command("pkg-config", "--libs", "./"+c.name+".pc").CombinedOutput()
				require.NoError(t, err, string(out))
				return
			}
			require.NoError(t, os.WriteFile("CMakeLists.txt", []byte("cmake_minimum_required(VERSION 3.20)\nproject(p C)\nfind_package(net CONFIG REQUIRED PATHS . NO_DEFAULT_PATH)\nget_target_property(at dnnc::net IMPORTED_LOCATION)\nif(NOT EXISTS \"${at}\")\nmessage(FATAL_ERROR \"no ${at}\")\nendif()\n"), 0o644))
			out, err := exec.Command("cmake", "-S", ".", "-B", "build").CombinedOutput()
			require.NoError(t, err, string(out))
		})
	}
}

// TestNamesDoNotMoveTheCursor: what a terminal obeys is printed as an escape.
func TestNamesDoNotMoveTheCursor(t *testing.T) {
	const evil = "a\x1b]0;PWN\x07\u009b2Jb"
	folderOf(t, map[string]string{
		evil + ".dnn": "network n(a: f32[1] in [0,1]) -> f32[1] {\n b = rleu(a)\n return b\n}\n",
		"c.json":      `{"version":1,"network":"n\u001b[2J","content":"c","target":"\u001b[2J","layers":[{"name":"\u001b[2J","format":"\u009b2J"}]}`,
	})
	for _, args := range [][]string{{evil + ".dnn", "-target", "armv7"}, {evil, "-target", "armv7"}, {"fmt", evil + ".dnn", "-o", evil + "/x"}, {"explain", "c.json"}, {"diff", "c.json", evil}, {"size", evil}, {"init", "make", evil, evil}, {evil, "-" + evil}, {"@" + evil}} {
		_, stdout, stderr := dnnctest.Run(t, args...)
		assert.NotEmpty(t, stdout+stderr)
		assert.NotContains(t, stdout+stderr, "\x1b")
		assert.NotContains(t, stdout+stderr, "\x07")
		assert.NotContains(t, stdout+stderr, "\u009b")
	}
}

// TestOutputsSpareInputs: no output is written over an input or another output, whatever
// it is called. The exit code is that of bad usage, both names are told, and no file changes.
func TestOutputsSpareInputs(t *testing.T) {
	var tensors bytes.Buffer
	require.NoError(t, weights.WriteSafetensors(&tensors, nil))
	images := "\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x04" + strings.Repeat("x", 16)
	network := strings.Replace(tiny, "f32[2,4,4]", "f32[1,4,4]", 2)
	files := map[string]string{
		"net.dnn": "tensors \"w.safetensors\"\n" + network, "net.json": "tensors \"w.safetensors\"\n" + network, "net.d": network, "x.out.dnn": network,
		"w.safetensors": tensors.String(), "x.svg": tensors.String(), "svg.dnn": "tensors \"x.svg\"\n" + network, "c.safetensors": images, "i-images-idx3-ubyte": images, "i-labels-idx1-ubyte": "\x00\x00\x08\x01\x00\x00\x00\x01\x00",
		"u": images, "args": "-emit c", "x.exp": "", "data.dnn": "data test \"i-images-idx3-ubyte\"\n" + network, "04-fold-batchnorm.dnn": network,
	}
	build := func(args ...string) []string { return append([]string{"-target", "armv6m", "-emit", "c"}, args...) }
	for _, c := range []struct {
		args []string
		want [2]string
	}{
		{build("net.dnn", "-o", "net.dnn"), [2]string{"net.dnn", "the input"}},
		{build("net.dnn", "-o", "./../"+"DIR/net.dnn"), [2]string{"net.dnn", "the input"}},
		{build("net.dnn", "-o", "link.dnn"), [2]string{"link.dnn", "net.dnn"}},
		{build("net.dnn", "-o", "hard.dnn"), [2]string{"hard.dnn", "net.dnn"}},
		{build("link.dnn", "-o", "net.dnn"), [2]string{"link.dnn", "net.dnn"}},
		{build("net.dnn", "-o", "w.safetensors"), [2]string{"w.safetensors", "tensors file"}},
		{build("net.json", "-o", "net.c"), [2]string{"net.json", "certificate"}},
		{build("net.d", "-o", "net.c", "-MD"), [2]string{"net.d", "-MD"}},
		{build("net.dnn", "-o", "x.h"), [2]string{"x.h", "the header"}},
		{build("net.dnn", "-o", "x.json"), [2]string{"x.json", "the certificate"}},
		{build("net.dnn", "-o", "x.c", "-MF", "x.c"), [2]string{"x.c", "-MF"}},
		{build("net.dnn", "-o", "x.c", "-MF", "x.h"), [2]string{"x.h", "-MF"}},
		{build("net.dnn", "-o", "x.d", "-MD"), [2]string{"x.d", "-MD"}},
		{build("net.dnn", "-o", "x.c", "-MF", "net.dnn"), [2]string{"net.dnn", "-MF"}},
		{build("net.dnn", "-o", "x.c", "-stats", "x.json"), [2]string{"x.json", "-stats"}},
		{build("net.dnn", "-o", "x.c", "-stats", "net.dnn"), [2]string{"net.dnn", "-stats"}},
		{build("net.dnn", "-o", "x.c", "-stats", "w.safetensors"), [2]string{"w.safetensors", "-stats"}},
		{build("net.dnn", "-o", "x.c", "-stats", "s", "-MF", "s"), [2]string{"-stats", "-MF"}},
		{build("net.dnn", "-o", "x.c", "-checkpoint", "net.dnn"), [2]string{"net.dnn", "-checkpoint"}},
		{build("data.dnn", "-o", "i-labels-idx1-ubyte"), [2]string{"i-labels-idx1-ubyte", "data set"}},
		{build("net.dnn", "-o", "c.safetensors", "-calib", "c.safetensors"), [2]string{"c.safetensors", "-calib"}},
		{build("net.dnn", "-o", "x.c", "-stats", "i-labels-idx1-ubyte", "-data", "i-images-idx3-ubyte"), [2]string{"i-labels-idx1-ubyte", "-data"}},
		{build("@args", "net.dnn", "-o", "args"), [2]string{"args", "@"}},
		{build("04-fold-batchnorm.dnn", "-o", "x.c", "-dump-dir", "."), [2]string{"04-", "dump"}},
		{[]string{"-target", "armv6m", "-emit", "ir,c", "x.out.dnn", "-o", "x.c"}, [2]string{"x.out.dnn", "-emit ir"}},
		{[]string{"-target", "armv6m", "-emit", "svg,dot", "svg.dnn", "-o", "x.dot"}, [2]string{"x.svg", "-emit svg"}},
		{build("net.dnn", "-o", "x.weights", "-lend"), [2]string{"x.weights", "-emit c"}},
		{[]string{"fmt", "net.dnn", "-o", "w.safetensors"}, [2]string{"w.safetensors", "tensors file"}},
		{[]string{"fmt", "data.dnn", "-o", "i-images-idx3-ubyte"}, [2]string{"i-images-idx3-ubyte", "data set"}},
		{[]string{"eval", "net.dnn", "-plane", "w.safetensors"}, [2]string{"", ""}},
		{[]string{"disturb", "-errors", "gaussian=0.1", "i-images-idx3-ubyte", "-o", "i-images-idx3-ubyte"}, [2]string{"i-labels-idx1-ubyte", "the input"}},
		{[]string{"disturb", "-errors", "gaussian=0.1", "u", "-o", "link.idx"}, [2]string{"link.idx", "the input"}},
		{[]string{"compare", "net.dnn", "-record", "net.dnn"}, [2]string{"net.dnn", "-record"}},
		{[]string{"pareto", "svg.dnn", "-o", "x.svg"}, [2]string{"x.svg", "tensors file"}},
		{[]string{"experiment", "x.exp", "-readme", "x.exp"}, [2]string{"x.exp", "-readme"}},
		{[]string{"experiment", "x.exp", "-readme", "r.md", "-stats", "r.md"}, [2]string{"r.md", "-stats"}},
		{[]string{"report", "net.dnn", "-o", "r.html", "-stats", "r.html"}, [2]string{"r.html", "-stats"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			dir := folderOf(t, files)
			require.NoError(t, os.Symlink("net.dnn", "link.dnn"))
			require.NoError(t, os.Symlink("u", "link.idx"))
			require.NoError(t, os.Link("net.dnn", "hard.dnn"))
			for i := range c.args {
				c.args[i] = strings.ReplaceAll(c.args[i], "DIR", filepath.Base(dir))
			}
			before := tree(t, dir)
			code, _, stderr := dnnctest.Run(t, c.args...)
			assert.Equal(t, before, tree(t, dir))
			if c.want[0] == "" {
				assert.NotZero(t, code)
				return
			}
			assert.Equal(t, command.BadUsage, code, stderr)
			assert.Contains(t, stderr, "clash")
			for _, name := range c.want {
				assert.Contains(t, stderr, name)
			}
		})
	}
}

// TestOutputsThatMay: what looks alike and is none of the above.
func TestOutputsThatMay(t *testing.T) {
	dir := folderOf(t, map[string]string{"net.dnn": tiny})
	for _, args := range [][]string{
		{"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "x.c", "-MF", "/dev/null", "-stats", "/dev/null"},
		{"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "x.c"}, // again, over itself
		{"net.dnn", "-target", "armv6m", "-emit", "ir", "-o", "a.dnn"},
		{"a.dnn", "-target", "armv6m", "-emit", "ir", "-o", "b.dnn"}, // the tensors lie there already
		{"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "x.c", "-dump-dir", "."},
		{"fmt", "net.dnn"},
	} {
		code, _, stderr := dnnctest.Run(t, args...)
		assert.Zero(t, code, "%v: %s", args, stderr)
	}
	assert.NotEmpty(t, tree(t, dir))
}

// TestSpecialInputs: a FIFO, a device and a folder are no inputs, whoever names them.
func TestSpecialInputs(t *testing.T) {
	absolute, err := filepath.Abs(dnnctest.Lenet)
	require.NoError(t, err)
	dir := folderOf(t, map[string]string{"net.dnn": tiny, "x.exp": "", "ten.dnn": "tensors \"fifo\"\n" + tiny, "set.dnn": "data test \"fifo\" calibration \"fifo\"\n" + tiny, "i-images-idx3-ubyte": "\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x04" + strings.Repeat("x", 16)})
	require.NoError(t, os.Mkdir("pictures", 0o755))
	for _, name := range []string{"fifo", "f.onnx", "f.tflite", "f.npz", "f.json", "f.exp", "f.png", "pictures/a.png", "i-labels-idx1-ubyte"} {
		require.NoError(t, syscall.Mkfifo(name, 0o644))
	}
	require.NoError(t, os.Symlink("/dev/zero", "zero"))
	require.NoError(t, os.Symlink("/dev/zero", "z.onnx"))
	require.NoError(t, os.Symlink("/dev/zero", "z.tflite"))
	sparse, err := os.Create("sparse.dnn") // endless, as far as memory goes
	require.NoError(t, err)
	require.NoError(t, sparse.Truncate(1<<40))
	require.NoError(t, sparse.Close())
	target := []string{"-target", "armv6m", "-emit", "c", "-o", "x.c"}
	before := len(tree(t, filepath.Join(dir, "pictures")))
	for _, args := range [][]string{
		append(target, "fifo"), append(target, "zero"), append(target, "."), append(target, "sparse.dnn"), append(target, "f.onnx"), append(target, "f.tflite"), append(target, "z.onnx"), append(target, "z.tflite"), append(target, "ten.dnn"),
		append(target, "net.dnn", "-calib", "fifo"), append(target, "net.dnn", "-calib", "zero"), append(target, "net.dnn", "-calib", "f.npz"), append(target, "net.dnn", "-calib", "pictures"), append(target, "net.dnn", "-calib", "i-images-idx3-ubyte"), append(target, "set.dnn"),
		append(target, "net.dnn", "-data", "fifo"), append(target, "net.dnn", "-data", "zero"), append(target, "net.dnn", "-data", "fifo", "-MD"),
		append(target, absolute, "-images", "16", "-O", "robust", "-bits", "2", "-checkpoint", "fifo"),
		{"@fifo"}, {"@zero"}, {"fmt", "fifo"}, {"fmt", "zero"}, {"fmt", "sparse.dnn", "-o", "-"}, {"dump", "fifo"}, {"eval", "fifo"}, {"eval", "net.dnn", "-data", "fifo"}, {"import", "f.onnx"}, {"import", "z.tflite"},
		{"disturb", "-errors", "gaussian=0.1", "f.png", "-o", "o.png"}, {"disturb", "-errors", "gaussian=0.1", "zero", "-o", "o.png"}, {"disturb", "-sheet", "s.png", "pictures"},
		{"explain", "f.json"}, {"explain", "zero"}, {"diff", "f.json", "zero"}, {"size", "fifo"}, {"size", "zero"}, {"experiment", "f.exp"}, {"compare", "net.dnn", "-record", "fifo"}, {"init", "make", "fifo", "new"},
	} {
		finished := make(chan int, 1)
		go func() {
			code, _, _ := dnnctest.Run(t, args...)
			finished <- code
		}()
		select {
		case code := <-finished:
			assert.Contains(t, []int{command.AtFault, command.BadUsage}, code, args)
		case <-time.After(time.Minute):
			t.Fatalf("%v hangs", args)
		}
	}
	assert.NoFileExists(t, "x.c")
	assert.Len(t, tree(t, filepath.Join(dir, "pictures")), before)
}

// fullDisk is a stream without room.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestFullStandardOutput: a command whose results are lost has failed.
func TestFullStandardOutput(t *testing.T) {
	certificate := func(content string) string {
		return string(seal.Add([]byte("{\n  \"version\": 1,\n  \"network\": \"n\",\n  \"content\": \"" + content + "\"\n}\n")))
	}
	folderOf(t, map[string]string{"net.dnn": tiny, "classes.dnn": classes, "c.json": certificate("c"), "d.json": certificate("d")})
	for _, args := range [][]string{
		{"targets"}, {"ops"}, {"-d=help"}, {"-errors", "help"}, {"help"}, {"help", "build"}, {"build", "-h"}, {"version"}, {"man"}, {"completion", "bash"},
		{"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "-"}, {"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "x.c", "-report", "layers"}, {"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "x.c", "-report", "memory"}, {"net.dnn", "-target", "armv6m", "-emit", "c", "-o", "x.c", "-d=legalize/dump"},
		{"fmt", "net.dnn", "-o", "-"}, {"dump", "net.dnn"}, {"dump", "net.dnn", "-diff", "infer,legalize"}, {"eval", "classes.dnn", "-n", "8"}, {"eval", "classes.dnn", "-n", "8", "-json"}, {"eval", "classes.dnn", "-n", "8", "-csv"},
		{"explain", "c.json"}, {"diff", "c.json", "d.json"}, {"init", "make", "net.dnn", "project"}, {"fuzz", "1", "1", "none"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, command.Done, command.Run(context.Background(), args, &stdout, &stderr), "%v: %s", args, stderr.String())
		require.NotEmpty(t, stdout.String(), args)
		require.NoError(t, os.RemoveAll("project"))
		stderr.Reset()
		assert.Equal(t, command.AtFault, command.Run(context.Background(), args, fullDisk{}, &stderr), "%v", args)
		assert.Contains(t, stderr.String(), "standard output: no space left", "%v", args)
		require.NoError(t, os.RemoveAll("project"))
	}
}

// TestShrunkFile: a file that becomes shorter while it is mapped is the input's fault.
func TestShrunkFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, os.WriteFile(path, make([]byte, 17<<20), 0o644))
	err := command.Guarded("build", func() error {
		raw, err := input.Map(path)
		if err != nil {
			return err
		}
		if err := os.Truncate(path, 0); err != nil {
			return err
		}
		if bytes.Contains(raw, []byte("x")) {
			return errors.New("found")
		}
		return nil
	})
	require.ErrorContains(t, err, "became shorter")
	assert.Equal(t, command.AtFault, command.ExitCode(err, io.Discard))
}
