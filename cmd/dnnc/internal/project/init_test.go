package project_test

import (
	"encoding/xml"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
func newProject(t *testing.T, kind string, more ...string) string {
	t.Helper()
	return projectOf(t, dnnctest.Small(t), kind, append([]string{"-task", "classes", "-images", "16"}, more...)...)
}

// projectOf is a project around a network, with more arguments.
func projectOf(t *testing.T, network, kind string, more ...string) string {
	t.Helper()
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(t.TempDir(), "project")
	code, _, stderr := dnnctest.Run(t, append([]string{"init", kind, network, dir}, more...)...)
	require.Zero(t, code, stderr)
	return dir
}

// TestProjectsOfModels: what init writes around models of other formats builds, also
// where the input's elements are of 16 bits.
func TestProjectsOfModels(t *testing.T) {
	dnnctest.Need(t, "make", "cc")
	for model, want := range map[string]struct{ task, input, says string }{
		dnnctest.Root + "/frontend/onnx/testdata/embedding_2/model.onnx":      {"classes axis: 1", "static int16_t input", `^output\[0\]: -?\d+ thousandths\n`},
		dnnctest.Root + "/frontend/tflite/testdata/network_int8/model.tflite": {"classes", "static int8_t input", `^class \d+\n$`},
	} {
		dir := filepath.Join(t.TempDir(), "project")
		code, _, stderr := dnnctest.Run(t, "init", "make", model, dir, "-task", want.task, "-Wno-imported-weights")
		require.Zero(t, code, stderr)
		assert.NotContains(t, stderr, "imported-weights")
		text, err := os.ReadFile(filepath.Join(dir, "main.c"))
		require.NoError(t, err)
		assert.Contains(t, string(text), want.input)
		dnnctest.Tool(t, dir, "make", "DNNC="+dnnctest.Path(t), "CFLAGS=-Wall -Wextra -Wconversion -Werror")
		assert.Regexp(t, want.says, dnnctest.Tool(t, dir, "./app"))
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

// tensorsOf is the file of a project's weights.
func tensorsOf(t *testing.T, dir string) string {
	list, err := filepath.Glob(filepath.Join(dir, "network/*.safetensors"))
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0]
}

// rebuilds holds a project to building when something changed, and only then. build
// reports whether dnnc ran.
func rebuilds(t *testing.T, dir, dnnc string, build func() bool) {
	assert.True(t, build(), "from scratch")
	assert.False(t, build(), "nothing changed")
	for _, path := range []string{
		filepath.Join(dir, "network/lenet5.dnn"), tensorsOf(t, dir), dnnc,
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
		out, err := dnnctest.StandIn(t, ".", "init", kind, dnnctest.Small(t), dir, "-task", "classes", "-images", "16").CombinedOutput()
		require.NoError(t, err, string(out))
		_, next, ok := strings.Cut(string(out), "\nnext: ")
		require.True(t, ok, string(out))
		if _, err := exec.LookPath("dnnc"); err != nil {
			assert.Contains(t, next, filepath.Base(os.Args[0]))
		}
		assert.Regexp(t, `class \d\n$`, dnnctest.Tool(t, t.TempDir(), "sh", "-c", next))
	}
	for kind, want := range map[string]string{"make": "build/lenet5.o", "cmake": "-DCMAKE_TOOLCHAIN_FILE=FILE"} {
		out, err := dnnctest.StandIn(t, ".", "init", kind, dnnctest.Small(t), filepath.Join(t.TempDir(), "project"), "armv7em", "-task", "classes", "-images", "16").CombinedOutput()
		require.NoError(t, err, string(out))
		_, next, _ := strings.Cut(string(out), "\nnext: ")
		assert.Contains(t, next, want)
		assert.Contains(t, next, " for armv7em")
		assert.NotRegexp(t, `&& \S*project(/build)?/app`, next, "programs of another architecture do not run here")
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
		touch(t, tensorsOf(t, dir))
		assert.True(t, build(), generator)
		assert.False(t, build(), "nothing changed: %s", generator)
		assert.Regexp(t, `^class \d\n`, dnnctest.Tool(t, dir, to+"/thing"))
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
		map[string]string{"vendor": `[\-_A-Za-z0-9]+`, "name": `[\-_A-Za-z0-9]+`, "description": ".+", "url": "https://.+/", "releases": "", "taxonomy?": "", "conditions?": "", "components?": ""}},
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
	"file":  {map[string]string{"category": "doc|header|include|library|object|source|other", "condition?": ".+", "attr?": "config|template", "select?": ".+", "name": ".+"}, nil},
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
	// Each processor has one library, and the component is for all of them.
	of := map[string]string{}
	all := []string{}
	for _, c := range found["condition"] {
		for _, a := range c.Children {
			if a.XMLName.Local != "accept" {
				continue
			}
			processor := strings.Join([]string{a.attr("Dcore"), a.attr("Ddsp"), a.attr("Dmve")}, " ")
			if c.attr("id") == "processor" {
				all = append(all, processor)
				continue
			}
			assert.Empty(t, of[processor], processor)
			of[processor] = c.attr("id")
		}
	}
	assert.ElementsMatch(t, all, slices.Collect(maps.Keys(of)))
	for processor, target := range map[string]string{"Cortex-M0+  ": "armv6m", "Cortex-M3  ": "armv7m", "Cortex-M4  ": "armv7em", "Cortex-M7  ": "armv7em", "Cortex-M33 DSP ": "armv8m", "Cortex-M55  MVE": "armv8.1m"} {
		assert.Equal(t, target, of[processor], processor)
	}
	named := map[string][]string{}
	for _, f := range found["file"] {
		assert.FileExists(t, filepath.Join(dir, f.attr("name")))
		named[f.attr("category")] = append(named[f.attr("category")], f.attr("name"))
		if c := f.attr("condition"); c != "" {
			assert.Equal(t, "lib/"+c+"/", f.attr("name")[:len("lib//")+len(c)])
		}
	}
	assert.Len(t, named["library"], 5)
	assert.Len(t, named["header"], 5)
	// Equal networks, equal packs; a pack may be for one target.
	one := newProject(t, "cmsis", "armv7em")
	again := dnnctest.Contents(t, one, "lib/armv7em/lenet5.a")
	assert.Equal(t, dnnctest.Contents(t, dir, "lib/armv7em/lenet5.a"), again)
	assert.NoDirExists(t, filepath.Join(one, "lib/armv6m"))
	dnnctest.Need(t, "arm-none-eabi-gcc")
	for cpu, target := range map[string]string{"-mcpu=cortex-m0": "armv6m", "-mcpu=cortex-m4": "armv7em", "-mcpu=cortex-m7 -mfloat-abi=hard -mfpu=fpv5-d16": "armv7em"} {
		args := append(strings.Fields(cpu), "-mthumb", "-Wall", "-Wextra", "-Werror", "--specs=nosys.specs", "-Ilib/"+target, "template/main.c", "lib/"+target+"/lenet5.a", "-o", "app")
		said := dnnctest.Tool(t, dir, "arm-none-eabi-gcc", args...)
		assert.NotContains(t, said, "error")
	}
}

func TestInitRefuses(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "x")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644))
	text := "network time(a: f32[4] in [0,1]) -> f32[4] {\n s = relu(a)\n return s\n}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "time.dnn"), []byte(text), 0o644))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(at, link); err != nil {
		t.Skip(err)
	}
	for want, args := range map[string][]string{
		`did you mean "cmake"`: {"cmak", dnnctest.Lenet, at},
		"it has mine":          {"make", dnnctest.Lenet, dir},
		"not a directory":      {"make", dnnctest.Lenet, filepath.Join(dir, "mine")},
		"a link to nothing":    {"make", dnnctest.Lenet, link},
		"are for Cortex-M":     {"cmsis", dnnctest.Lenet, at, "armv7"},
		`no target "armv77"`:   {"make", dnnctest.Lenet, at, "armv77"},
		"two targets":          {"make", dnnctest.Lenet, at, "armv7", "-target", "armv7em"},
		"no such file":         {"make", "none.dnn", at},
		"-bits":                {"make", dnnctest.Lenet, at, "-O", "int8", "-bits", "3"},
		"hide <time.h>":        {"make", filepath.Join(dir, "time.dnn"), at},
		"-Werror":              {"make", dnnctest.Root + "/testdata/tasks/seg.onnx", at, "-Werror=imported-weights"},
		"-ram allows 64":       {"arduino", filepath.Join(dnnctest.Workspace(t), "lenet5.dnn"), at, "-ram", "64", "-images", "4"},
	} {
		code, _, stderr := dnnctest.Run(t, append([]string{"init"}, args...)...)
		assert.Equal(t, command.AtFault, code, want)
		assert.Contains(t, stderr, want)
		list, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, list, 2, "%s: nothing is left", want)
	}
	code, _, stderr := dnnctest.Run(t, "init", "make", dnnctest.Lenet, "")
	assert.Equal(t, command.BadUsage, code)
	assert.Contains(t, stderr, "dnnc init: an argument is empty")
}

// TestFirmware builds the project of a firmware with the Arm toolchain for the boards
// of a Cortex-M4 and a Cortex-M0, in C and C++, and runs it in QEMU: samples from flash, whose
// answers are the interpreter's.
func TestFirmware(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm")
	dir, dnnc := projectOf(t, dnnctest.Lenet, "firmware", "-O", "universal", "-bits", "3", "-images", "64", "-data", dnnctest.TestImages, "-n", "200", "-errors", "none"), dnnctest.Path(t)
	line := regexp.MustCompile(`(?m)^\d: (sample .*|\d+ of \d+ .*)$`)
	right := regexp.MustCompile(`(\d+) of 10 right`)
	var want []string
	for _, board := range []string{"cortex-m4", "cortex-m0"} {
		dnnctest.Tool(t, dir, "cmake", "-S", ".", "-B", board, "-G", "Ninja", "-DCMAKE_TOOLCHAIN_FILE=cmake/"+board+".cmake", "-DDNNC_EXECUTABLE="+dnnc)
		build := func() bool { return strings.Contains(dnnctest.Tool(t, dir, "cmake", "--build", board), "dnnc lenet5") }
		assert.True(t, build())
		assert.False(t, build(), "nothing changed")
		for _, language := range []string{"c", "cpp"} {
			var got []string
			for _, m := range line.FindAllStringSubmatch(dnnctest.Tool(t, dir, "ctest", "--test-dir", board, "-V", "-R", "^firmware_"+language+"$"), -1) {
				got = append(got, m[1])
			}
			require.Len(t, got, 12)
			assert.Equal(t, "10 of 10 as the interpreter answers", got[11])
			if want == nil {
				want = got
				count, err := strconv.Atoi(right.FindStringSubmatch(got[10])[1])
				require.NoError(t, err)
				assert.GreaterOrEqual(t, count, 8)
			}
			assert.Equal(t, want, got, "%s %s", board, language)
		}
	}
	// A firmware whose answers are others fails.
	path := filepath.Join(dir, "samples.h")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, after, _ := strings.Cut(string(text), "sample_output[SAMPLES][LENET5_OUTPUT_BYTES / sizeof(int8_t)] = {\n{\n  ")
	require.NoError(t, os.WriteFile(path, []byte(before+"sample_output[SAMPLES][LENET5_OUTPUT_BYTES / sizeof(int8_t)] = {\n{\n  1+"+after), 0o644))
	dnnctest.Tool(t, dir, "cmake", "--build", "cortex-m4")
	c := exec.Command("ctest", "--test-dir", "cortex-m4", "-V")
	c.Dir = dir
	out, err := c.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), "9 of 10 as the interpreter answers")
}
