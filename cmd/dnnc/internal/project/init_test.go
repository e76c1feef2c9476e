package project_test

import (
	"encoding/xml"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/command"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// newProject is a project around a small LeNet-5.
func newProject(t *testing.T, kind string, target ...string) string {
	t.Helper()
	return projectOf(t, dnnctest.Small(t), kind, target...)
}

// projectOf is a project around a network.
func projectOf(t *testing.T, network, kind string, target ...string) string {
	t.Helper()
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(t.TempDir(), "project")
	code, _, stderr := dnnctest.Run(t, append([]string{"init", kind, network, dir}, target...)...)
	require.Zero(t, code, stderr)
	return dir
}

// TestProjectsOfModels: what init writes around models of other formats builds, also
// where the input's elements are of 16 bits.
func TestProjectsOfModels(t *testing.T) {
	dnnctest.Need(t, "make", "cc")
	for model, input := range map[string]string{
		dnnctest.Root + "/frontend/onnx/testdata/embedding_2/model.onnx":      "static int16_t image",
		dnnctest.Root + "/frontend/tflite/testdata/network_int8/model.tflite": "static int8_t image",
	} {
		dir := filepath.Join(t.TempDir(), "project")
		code, _, stderr := dnnctest.Run(t, "init", "make", model, dir)
		require.Zero(t, code, stderr)
		text, err := os.ReadFile(filepath.Join(dir, "main.c"))
		require.NoError(t, err)
		assert.Contains(t, string(text), input)
		dnnctest.Tool(t, dir, "make", "DNNC="+dnnctest.Path(t), "CFLAGS=-Wall -Wextra -Wconversion -Werror")
		assert.Regexp(t, `^class \d+\n`, dnnctest.Tool(t, dir, "./app"))
	}
}

// TestPlatformIOScript runs what PlatformIO runs before a build, with its environment
// stood in for: dnnc runs when something changed, and only then.
func TestPlatformIOScript(t *testing.T) {
	dnnctest.Need(t, "python3")
	dir, tool := newProject(t, "platformio"), dnnctest.Path(t)
	target, flags := "armv6m", "-images 16"
	build := func() bool {
		out := dnnctest.Tool(t, dir, "python3", "-c", `
import sys
class Env(dict):
    options = {"custom_dnnc": sys.argv[1], "custom_dnnc_target": sys.argv[2], "custom_dnnc_flags": sys.argv[3]}
    def GetProjectOption(self, name, default=None):
        return self.options.get(name, default)
import subprocess
run = subprocess.run
def told(command, **how):
    print("runs", command[0])
    return run(command, **how)
subprocess.run = told
exec(compile(open("dnnc.py").read(), "dnnc.py", "exec"), {"Import": lambda name: None, "env": Env(PROJECT_DIR=".")})
`, tool, target, flags)
		return strings.Contains(out, "runs "+tool)
	}
	rebuilds(t, dir, tool, build)
	for _, change := range []*string{&target, &flags} {
		*change = map[string]string{"armv6m": "armv7em", "-images 16": "-images 17"}[*change]
		assert.True(t, build(), *change)
		assert.False(t, build(), *change)
	}
	tool = "no-such-dnnc"
	command := exec.Command("python3", "-c", `exec(compile(open("dnnc.py").read(), "dnnc.py", "exec"), {"Import": lambda name: None, "env": type("E", (dict,), {"GetProjectOption": lambda self, name, default=None: "no-such-dnnc"})(PROJECT_DIR=".")})`)
	command.Dir = dir
	out, err := command.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "no dnnc on the PATH")
}

// touch writes a file anew with the same contents.
func touch(t *testing.T, path string) {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, content, info.Mode()))
}

// rebuilds holds a project to building when something changed, and only then. build
// reports whether dnnc ran.
func rebuilds(t *testing.T, dir, dnnc string, build func() bool) {
	assert.True(t, build(), "from scratch")
	assert.False(t, build(), "nothing changed")
	for _, path := range []string{
		filepath.Join(dir, "network/lenet5.dnn"), filepath.Join(dir, "network/lenet5.safetensors"),
		filepath.Join(dir, "network/fashion-train-images-idx3-ubyte.gz"), dnnc,
	} {
		touch(t, path)
		assert.True(t, build(), path)
		assert.False(t, build(), path)
	}
}

func TestMakeProject(t *testing.T) {
	dir, tool := newProject(t, "make"), dnnctest.Path(t)
	rebuilds(t, dir, tool, func() bool {
		return strings.Contains(dnnctest.Tool(t, dir, "make", "DNNC="+tool, "DNNCFLAGS=-images 16"), "-images 16")
	})
	assert.Regexp(t, `^class \d\n`, dnnctest.Tool(t, dir, "./app"))
}

// TestInitSaysWhatIsNext: what it says builds and runs the project, also where dnnc is
// not on the PATH.
func TestInitSaysWhatIsNext(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dnnctest.Need(t, "sh", "make", "cmake", "cc")
	t.Setenv(dnnctest.StandsIn, "1")
	for _, kind := range []string{"cmake", "make"} {
		dir := filepath.Join(t.TempDir(), "project")
		out, err := dnnctest.StandIn(t, ".", "init", kind, dnnctest.Small(t), dir).CombinedOutput()
		require.NoError(t, err, string(out))
		_, next, ok := strings.Cut(string(out), "\nnext: ")
		require.True(t, ok, string(out))
		if _, err := exec.LookPath("dnnc"); err != nil {
			assert.Contains(t, next, filepath.Base(os.Args[0]))
		}
		assert.Regexp(t, `class \d\n$`, dnnctest.Tool(t, t.TempDir(), "sh", "-c", next))
	}
	// Without the last words CMake says what is missing.
	dir := newProject(t, "cmake")
	c := exec.Command("cmake", "-S", ".", "-B", "build")
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH=/usr/bin:/bin")
	if out, err := c.CombinedOutput(); err != nil {
		assert.Contains(t, string(out), "-DDNNC_EXECUTABLE=/path/to/dnnc")
	}
}

// TestCMakeProjects builds for this machine, for armv7 Linux and for a Cortex-M4,
// with Ninja; where an emulator is, all must answer alike.
func TestCMakeProjects(t *testing.T) {
	want := ""
	for _, c := range []struct{ toolchain, target, compiler, emulator string }{
		{"", "x86_64", "gcc", ""},
		{"arm-linux", "armv7", "arm-linux-gnueabihf-gcc", "qemu-arm"},
		{"cortex-m4", "armv7em", "arm-none-eabi-gcc", ""},
	} {
		t.Run(c.target, func(t *testing.T) {
			for _, tool := range []string{"cmake", "ninja", c.compiler} {
				if _, err := exec.LookPath(tool); err != nil {
					t.Skip(err)
				}
			}
			dir, tool := newProject(t, "cmake"), dnnctest.Path(t) // a toolchain file brings its target
			args := []string{"-S", ".", "-B", "build", "-G", "Ninja", "-DDNNC_EXECUTABLE=" + tool}
			if c.toolchain != "" {
				args = append(args, "-DCMAKE_TOOLCHAIN_FILE=cmake/"+c.toolchain+".cmake")
			}
			dnnctest.Tool(t, dir, "cmake", args...)
			build := func() bool {
				return strings.Contains(dnnctest.Tool(t, dir, "cmake", "--build", "build"), "dnnc lenet5")
			}
			if c.toolchain == "" {
				rebuilds(t, dir, tool, build)
			} else {
				assert.True(t, build())
				assert.False(t, build())
			}
			if c.target == "armv7em" {
				return // linked; make test runs such programs on boards elsewhere
			}
			app, run := filepath.Join(dir, "build/app"), []string{}
			if c.emulator != "" {
				app, run = c.emulator, []string{app}
			}
			got := dnnctest.Tool(t, dir, app, run...)
			assert.Regexp(t, `^class \d\n`, got)
			if want == "" {
				want = got
			}
			assert.Equal(t, want, got)
		})
	}
}

// TestCMakeModuleInAnotherProject: the module serves a project of an older CMake's
// policies, from a folder of its own, in a library that C++ is linked with.
func TestCMakeModuleInAnotherProject(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "make", "g++")
	dir, tool := newProject(t, "cmake"), dnnctest.Path(t)
	for name, text := range map[string]string{
		"CMakeLists.txt":    "cmake_minimum_required(VERSION 3.13)\nproject(thing C CXX)\ninclude(cmake/dnnc.cmake)\nadd_subdirectory(ml)\nadd_executable(thing main.cpp)\ntarget_link_libraries(thing PRIVATE ml)\n",
		"ml/CMakeLists.txt": "add_library(ml STATIC ml.c)\ndnnc_add_network(ml NETWORK ../network/lenet5.dnn TARGET x86_64 FLAGS -images 16)\n",
		"ml/ml.c":           "#include \"lenet5.h\"\nint classify(void);\nint classify(void) {\n  static lenet5_arena arena;\n  int8_t image[LENET5_INPUT_BYTES] = {0}, answer[LENET5_OUTPUT_BYTES];\n  return lenet5_run(image, answer, &arena) ? -1 : lenet5_argmax(answer);\n}\n",
		"main.cpp":          "#include <cstdio>\nextern \"C\" int classify();\nint main() { std::printf(\"class %d\\n\", classify()); }\n",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, generator := range []string{"Ninja", "Unix Makefiles"} {
		to := strings.Fields(generator)[0]
		said := dnnctest.Tool(t, dir, "cmake", "-S", ".", "-B", to, "-G", generator, "-DDNNC_EXECUTABLE="+tool)
		assert.NotContains(t, said, "Warning")
		build := func() bool { return strings.Contains(dnnctest.Tool(t, dir, "cmake", "--build", to), "dnnc lenet5") }
		assert.True(t, build(), generator)
		assert.False(t, build(), "nothing changed: %s", generator)
		touch(t, filepath.Join(dir, "network/lenet5.safetensors"))
		assert.True(t, build(), generator)
		assert.False(t, build(), "nothing changed: %s", generator)
		assert.Regexp(t, `^class \d\n`, dnnctest.Tool(t, dir, to+"/thing"))
	}
}

// TestProjectsOfToolsThatAreNotHere holds trees to the layouts that Zephyr, Arduino,
// PlatformIO and CMSIS-Pack document, and compiles the C that two of them carry.
func TestProjectsOfToolsThatAreNotHere(t *testing.T) {
	network := []string{
		"network/fashion-test-images-idx3-ubyte.gz", "network/fashion-test-labels-idx1-ubyte.gz", "network/fashion-train-images-idx3-ubyte.gz",
		"network/fashion-train-labels-idx1-ubyte.gz", "network/lenet5.dnn", "network/lenet5.safetensors",
	}
	for kind, want := range map[string][]string{
		"cmsis":      {"README.md", "dnnc.lenet5.pdsc", "lib/lenet5.a", "lib/lenet5.h", "lib/lenet5.json", "template/main.c"},
		"zephyr":     {"CMakeLists.txt", "cmake/dnnc.cmake", "prj.conf", "src/main.c"},
		"arduino":    {"examples/classify/classify.ino", "library.properties", "src/lenet5.c", "src/lenet5.h", "src/lenet5.json"},
		"platformio": {"dnnc.py", "lib/lenet5/library.json", "lib/lenet5/src/lenet5.c", "lib/lenet5/src/lenet5.h", "lib/lenet5/src/lenet5.json", "platformio.ini", "src/main.c"},
	} {
		dir := newProject(t, kind)
		var got []string
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if !d.IsDir() {
				name, err := filepath.Rel(dir, path)
				require.NoError(t, err)
				got = append(got, name)
			}
			return err
		}))
		assert.ElementsMatch(t, append(want, network...), got, kind)
		for _, c := range []string{"src/lenet5.c", "lib/lenet5/src/lenet5.c"} {
			if _, err := os.Stat(filepath.Join(dir, c)); err == nil {
				dnnctest.Tool(t, dir, "gcc", "-c", c, "-o", "/dev/null")
			}
		}
		// A sketch is C++ between declarations of Arduino's.
		if sketch, err := os.ReadFile(filepath.Join(dir, "examples/classify/classify.ino")); err == nil {
			program := "struct { void begin(long); void println(int); } Serial;\nvoid delay(unsigned long);\n" + string(sketch)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "sketch.cpp"), []byte(program), 0o644))
			dnnctest.Tool(t, dir, "g++", "-std=gnu++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Isrc", "sketch.cpp")
		}
		if main := filepath.Join(dir, "src/main.c"); kind == "platformio" {
			dnnctest.Tool(t, dir, "gcc", "-Wall", "-Wextra", "-Werror", "-Ilib/lenet5/src", main, "lib/lenet5/src/lenet5.c", "-o", "app")
			assert.Regexp(t, `^class \d\n`, dnnctest.Tool(t, dir, "./app"))
		}
	}
}

// element is one of an XML document.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []element  `xml:",any"`
	Text     string     `xml:",chardata"`
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// pdsc is what PACK.xsd 1.7 demands of the elements that dnnc writes: attributes and
// children with the pattern of their text; what ends in ? may be missing, no others may
// be there.
var pdsc = map[string]struct{ attrs, children map[string]string }{
	"package": {map[string]string{"schemaVersion": `[0-9]+\.[0-9]+(\.[0-9]+)?`, "xs": "http://www.w3.org/2001/XMLSchema-instance", "noNamespaceSchemaLocation": `PACK\.xsd`},
		map[string]string{"vendor": `[\-_A-Za-z0-9]+`, "name": `[\-_A-Za-z0-9]+`, "description": ".+", "url": "", "releases": "", "taxonomy?": "", "conditions?": "", "components?": ""}},
	"releases":    {nil, map[string]string{"release": ".+"}},
	"release":     {map[string]string{"version": `[0-9]+\.[0-9]+\.[0-9]+`, "date?": `\d{4}-\d\d-\d\d`}, nil},
	"taxonomy":    {nil, map[string]string{"description": ".+"}},
	"description": {map[string]string{"Cclass?": `[A-Za-z0-9][A-Za-z0-9_+()'/\-\s\.]{1,31}`}, nil},
	"conditions":  {nil, map[string]string{"condition": ""}},
	"condition":   {map[string]string{"id": ".+"}, map[string]string{"description?": ".+", "accept": ""}},
	"accept":      {map[string]string{"Dcore?": `Cortex-M(0|0\+|1|23|3|33|35P|4|52|55|7|85)`, "Ddsp?": "DSP", "Dmve?": "MVE|FP_MVE"}, nil},
	"components":  {nil, map[string]string{"component": ""}},
	"component": {map[string]string{"Cclass": `[A-Za-z0-9][A-Za-z0-9_+()'/\-\s\.]{1,31}`, "Cgroup": `[A-Za-z0-9][A-Za-z0-9_+()'/\-\s\.]{1,31}`,
		"Csub?": `([A-Za-z0-9][A-Za-z0-9_+():/\- \.]{0,31})?`, "Cversion": `(0|[1-9]\d*)\.[0-9]+(\.[0-9]+)?`, "condition?": ".+"}, map[string]string{"description": ".+", "files": ""}},
	"files": {nil, map[string]string{"file": ""}},
	"file":  {map[string]string{"category": "doc|header|include|library|object|source|other", "attr?": "config|template", "select?": ".+", "name": ".+"}, nil},
}

// fits holds an element and what is in it to pdsc.
func fits(t *testing.T, e element) {
	name := e.XMLName.Local
	rule, ok := pdsc[name]
	if !ok {
		assert.Empty(t, append(e.Children, make([]element, len(e.Attrs))...), "%s is a text", name)
		return
	}
	attrs, children := map[string][]string{}, map[string][]string{}
	for _, a := range e.Attrs {
		attrs[a.Name.Local] = append(attrs[a.Name.Local], a.Value)
	}
	for _, c := range e.Children {
		children[c.XMLName.Local] = append(children[c.XMLName.Local], strings.TrimSpace(c.Text))
		fits(t, c)
	}
	for _, have := range []struct {
		values   map[string][]string
		patterns map[string]string
	}{{attrs, rule.attrs}, {children, rule.children}} {
		known := map[string]bool{}
		for key, pattern := range have.patterns {
			key, optional := strings.CutSuffix(key, "?")
			known[key] = true
			assert.True(t, optional || len(have.values[key]) > 0, "%s has no %s", name, key)
			for _, v := range have.values[key] {
				assert.Regexp(t, "^(?:"+pattern+")$", v, "%s %s", name, key)
			}
		}
		for key := range have.values {
			assert.True(t, known[key], "%s has %s", name, key)
		}
	}
}

// TestCMSISPack holds the description of a pack to its schema, its files and conditions
// to what there is, and links its template with its library.
func TestCMSISPack(t *testing.T) {
	dir := newProject(t, "cmsis")
	text, err := os.ReadFile(filepath.Join(dir, "dnnc.lenet5.pdsc"))
	require.NoError(t, err)
	var pack element
	require.NoError(t, xml.Unmarshal(text, &pack))
	require.Equal(t, "package", pack.XMLName.Local)
	fits(t, pack)
	found := map[string][]element{}
	var walk func(e element)
	walk = func(e element) {
		found[e.XMLName.Local] = append(found[e.XMLName.Local], e)
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(pack)
	assert.Equal(t, "dnnc.lenet5.pdsc", found["vendor"][0].Text+"."+found["name"][0].Text+".pdsc")
	component := found["component"][0]
	assert.Equal(t, "Machine Learning", component.attr("Cclass"))
	assert.Equal(t, found["condition"][0].attr("id"), component.attr("condition"))
	assert.Equal(t, found["release"][0].attr("version"), component.attr("Cversion"))
	var cores []string
	for _, a := range found["accept"] {
		cores = append(cores, a.attr("Dcore"))
	}
	assert.Equal(t, []string{"Cortex-M4", "Cortex-M7"}, cores)
	named := map[string]string{}
	for _, f := range found["file"] {
		assert.FileExists(t, filepath.Join(dir, f.attr("name")))
		named[f.attr("category")] = f.attr("name")
	}
	assert.Equal(t, map[string]string{"doc": "README.md", "header": "lib/lenet5.h", "library": "lib/lenet5.a", "other": "lib/lenet5.json", "source": "template/main.c"}, named)
	// Equal networks, equal packs.
	again, err := os.ReadFile(filepath.Join(newProject(t, "cmsis", "armv7em"), "lib/lenet5.a"))
	require.NoError(t, err)
	library, err := os.ReadFile(filepath.Join(dir, "lib/lenet5.a"))
	require.NoError(t, err)
	assert.Equal(t, library, again)
	dnnctest.Need(t, "arm-none-eabi-gcc")
	for _, cpu := range []string{"-mcpu=cortex-m4", "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-d16"} {
		args := append(strings.Fields(cpu), "-mthumb", "-Wall", "-Wextra", "-Werror", "--specs=nosys.specs", "-I"+filepath.Dir(named["header"]), named["source"], named["library"], "-o", "app")
		said := dnnctest.Tool(t, dir, "arm-none-eabi-gcc", args...)
		assert.NotContains(t, said, "error")
	}
}

func TestInitRefuses(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644))
	blind := dnnctest.Workspace(t)
	text, err := os.ReadFile(filepath.Join(blind, "lenet5.dnn"))
	require.NoError(t, err)
	text = regexp.MustCompile(`(?m)^data .*$`).ReplaceAll(text, nil)
	require.NoError(t, os.WriteFile(filepath.Join(blind, "lenet5.dnn"), text, 0o644))
	for want, args := range map[string][]string{
		`did you mean "cmake"`: {"cmak", dnnctest.Lenet, filepath.Join(dir, "x")},
		"is not empty":         {"make", dnnctest.Lenet, dir},
		"no test images":       {"firmware", filepath.Join(blind, "lenet5.dnn"), filepath.Join(dir, "x")},
		"are for Cortex-M":     {"cmsis", dnnctest.Lenet, filepath.Join(dir, "x"), "armv7"},
		`no target "armv77"`:   {"make", dnnctest.Lenet, filepath.Join(dir, "x"), "armv77"},
		"no such file":         {"make", "none.dnn", filepath.Join(dir, "x")},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"init"}, args...)...)
		assert.Equal(t, command.AtFault, code)
		assert.Contains(t, stderr, want)
		assert.NoDirExists(t, filepath.Join(dir, "x"))
	}
}

// TestFirmware builds the project of a firmware with the Arm toolchain for the boards
// of a Cortex-M4 and a Cortex-M0, in C and C++, and runs it in QEMU: images from flash.
func TestFirmware(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm")
	dir, dnnc := projectOf(t, dnnctest.Lenet, "firmware"), dnnctest.Path(t)
	line := regexp.MustCompile(`(?m)^\d: (image .*|\d+ of \d+ right)$`)
	right := regexp.MustCompile(`(\d+) of 10 right`)
	var want []string
	for _, board := range []string{"cortex-m4", "cortex-m0"} {
		dnnctest.Tool(t, dir, "cmake", "-S", ".", "-B", board, "-G", "Ninja", "-DCMAKE_TOOLCHAIN_FILE=cmake/"+board+".cmake", "-DDNNC_EXECUTABLE="+dnnc,
			"-DDNNC_FLAGS=-O;universal;-bits;3;-images;64")
		build := func() bool { return strings.Contains(dnnctest.Tool(t, dir, "cmake", "--build", board), "dnnc lenet5") }
		assert.True(t, build())
		assert.False(t, build(), "nothing changed")
		for _, language := range []string{"c", "cpp"} {
			var got []string
			for _, m := range line.FindAllStringSubmatch(dnnctest.Tool(t, dir, "ctest", "--test-dir", board, "-V", "-R", "^firmware_"+language+"$"), -1) {
				got = append(got, m[1])
			}
			require.Len(t, got, 11)
			if want == nil {
				want = got
				count, err := strconv.Atoi(right.FindStringSubmatch(got[10])[1])
				require.NoError(t, err)
				assert.GreaterOrEqual(t, count, 8)
			}
			assert.Equal(t, want, got, "%s %s", board, language)
		}
	}
}
