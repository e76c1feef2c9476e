package project_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/project"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// filesOf are the files of a folder, with slashes; nothing of it may be a link.
func filesOf(t *testing.T, dir string) (list []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if !d.IsDir() {
			assert.True(t, d.Type().IsRegular(), path)
			name, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			list = append(list, filepath.ToSlash(name))
		}
		return nil
	}))
	return list
}

// models are imported networks of each task, and what dnnc is told of them.
var models = map[string]struct {
	name  string // of the file and the network
	flags []string
}{
	"classes":           {"det", []string{"-outputs", "scores", "-task", "classes"}},
	"classes of pixels": {"seg", []string{"-task", "classes axis: 0"}},
	"binary":            {"binary", []string{"-task", "binary"}},
	"multilabel":        {"det", []string{"-outputs", "scores", "-task", "multilabel"}},
	"values":            {"regr", []string{"-task", "values"}},
	"reconstruction":    {"ae", []string{"-task", "reconstruction"}},
	"embedding":         {"det", []string{"-outputs", "boxes", "-task", "embedding"}},
	"several":           {"det", []string{"-task", "boxes=values, scores=classes"}},
	"not told":          {"det", nil},
}

// TestProjectsOfEveryTask writes kinds of projects around an imported network of each task: two kinds
// a task, all with DNNC_FULL. None has a data set in it; those whose tools are here build and run.
func TestProjectsOfEveryTask(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dnnctest.Need(t)
	known := regexp.MustCompile(`(^|/)([A-Za-z0-9_.]+\.(md|txt|c|cpp|h|a|ld|json|dnn|safetensors|cmake|ini|py|ino|properties|yml|yaml|conf|pdsc)|Makefile|Kconfig|[a-z0-9]+-[0-9a-f]{8}\.safetensors|cmake/(arm-linux|cortex-m[04])\.cmake)$`)
	kinds := project.Kinds()
	for i, task := range slices.Sorted(maps.Keys(models)) {
		m := models[task]
		name := m.name
		for j, kind := range kinds {
			if !dnnctest.IsFull() && (i-j)%(len(kinds)/2) != 0 {
				continue
			}
			dir := filepath.Join(t.TempDir(), "project")
			code, stdout, stderr := dnnctest.Run(t, append([]string{"init", kind, dnnctest.Root + "/testdata/tasks/" + name + ".onnx", dir, "-images", "4"}, m.flags...)...)
			require.Zero(t, code, "%s of %s\n%s", kind, task, stderr)
			assert.Contains(t, stdout, "next: ")
			assert.Contains(t, stderr, "[imported-weights]")
			for _, f := range filesOf(t, dir) {
				assert.Regexp(t, known, f, "%s of %s", kind, task)
			}
			switch kind {
			case "make":
				if _, err := exec.LookPath("cc"); err == nil {
					dnnctest.Tool(t, dir, "make", "DNNC="+dnnctest.Path(t), "CFLAGS=-Wall -Wextra -Werror")
					answers(t, task, dnnctest.Tool(t, dir, "./app"))
				}
			case "cmake":
				if _, err := exec.LookPath("ninja"); err == nil {
					dnnctest.Tool(t, dir, "cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DDNNC_EXECUTABLE="+dnnctest.Path(t))
					dnnctest.Tool(t, dir, "cmake", "--build", "build")
					answers(t, task, dnnctest.Tool(t, dir, "build/app"))
				}
			case "arduino":
				sketch(t, dir)
			case "platformio":
				dnnctest.Tool(t, dir, "gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Ilib/"+name+"/src", "src/main.c", "lib/"+name+"/src/"+name+".c", "-o", "app")
				answers(t, task, dnnctest.Tool(t, dir, "./app"))
			case "esp-idf":
				dnnctest.Tool(t, dir, "gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Ic", "-c", "examples/run/main/main.c", "c/"+name+".c")
			case "cmsis":
				if _, err := exec.LookPath("arm-none-eabi-gcc"); err == nil {
					dnnctest.Tool(t, dir, "arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Wall", "-Wextra", "-Werror", "--specs=nosys.specs", "-Ilib/armv7em", "template/main.c", "lib/armv7em/"+name+".a", "-o", "app")
				}
			case "firmware":
				runFirmware(t, dir)
			}
		}
	}
}

// answers holds the output of a project's program to the task: one label an item is a class,
// all else are numbers.
func answers(t *testing.T, task, said string) {
	t.Helper()
	assert.Equal(t, task == "classes" || task == "several", strings.Contains(said, "class "), "%s: %s", task, said)
	assert.Equal(t, task != "classes", strings.Contains(said, " thousandths\n"), "%s: %s", task, said)
}

// runFirmware builds a firmware's project for a Cortex-M4 and runs it in QEMU.
func runFirmware(t *testing.T, dir string) {
	for _, tool := range []string{"cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return
		}
	}
	dnnctest.Tool(t, dir, "cmake", "-S", ".", "-B", "m4", "-G", "Ninja", "-DDNNC_EXECUTABLE="+dnnctest.Path(t))
	dnnctest.Tool(t, dir, "cmake", "--build", "m4")
	said := dnnctest.Tool(t, dir, "ctest", "--test-dir", "m4", "-V")
	assert.Len(t, regexp.MustCompile(`(?m)^\d: (\d+) of (\d+) as the interpreter answers$`).FindAllString(said, -1), 2, said)
}

// TestFirmwareOfSignals: networks whose inputs are no images have firmware, too, with items
// of -data or noise, of one input or several.
func TestFirmwareOfSignals(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm")
	path := dnnctest.SensorsFolder(t)
	for name, more := range map[string][]string{
		"tones":   {"-data", path("tones.test.npz"), "-errors", "none"},
		"sensors": nil,
		"both":    {"-errors", "none"},
	} {
		dir := projectOf(t, path(name+".dnn"), "firmware", append([]string{"-calib", path(name + ".npz")}, more...)...)
		text := string(dnnctest.Contents(t, dir, "samples.h")["samples.h"])
		assert.Equal(t, more != nil && more[0] == "-data", strings.Contains(text, "Samples of tones.test.npz"), name)
		assert.Equal(t, name == "tones", strings.Contains(text, "sample_label"), name)
		for _, f := range filesOf(t, dir) {
			assert.NotContains(t, f, "npz")
		}
		runFirmware(t, dir)
	}
}

// TestFirmwareStreams: a firmware takes the frames of a generated signal one after the other, features of
// samples among them, and answers as the interpreter does.
func TestFirmwareStreams(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm")
	for name, element := range map[string]string{"bearing": "int8_t", "spoken": "int16_t"} {
		dir := projectOf(t, filepath.Join(dnnctest.Root, "testdata/tasks", name, name+".dnn"), "firmware", "-stream", "-images", "32")
		files := dnnctest.Contents(t, dir, "samples.h", "main.c")
		assert.True(t, strings.Contains(string(files["samples.h"]), "Samples of noise") && strings.Contains(string(files["samples.h"]), "const "+element+" sample_input["), name)
		assert.Contains(t, string(files["main.c"]), "if ("+name+"_reset(&arena) != 0) return 1;")
		runFirmware(t, dir)
	}
}

// TestFirmwareByRows: a firmware gives its network the rows of each sample by a function, and answers as the
// interpreter does; programs of the other kinds have such a function, too. Where no layers take rows, nothing is written.
func TestFirmwareByRows(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "arm-none-eabi-gcc", "qemu-system-arm")
	dir := projectOf(t, dnnctest.Lenet, "firmware", "-rows", "-images", "32")
	assert.Contains(t, string(dnnctest.Contents(t, dir, "CMakeLists.txt")["CMakeLists.txt"]), "-rows")
	runFirmware(t, dir)
	dir = projectOf(t, dnnctest.Lenet, "make", "-rows", "-images", "32")
	assert.Contains(t, dnnctest.Tool(t, dir, "make", "DNNC="+dnnctest.Path(t), "CFLAGS=-O1 -Wall -Wextra -Werror"), "-rows")
	assert.Contains(t, dnnctest.Tool(t, dir, "./app"), "output[7]: ")
	refused := filepath.Join(t.TempDir(), "refused")
	path := dnnctest.SensorsFolder(t)
	code, _, stderr := dnnctest.Run(t, "init", "make", path("tones.dnn"), refused, "-rows", "-calib", path("tones.npz"))
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "-rows: ")
	assert.NoDirExists(t, refused)
}

// TestProjectsHaveTheFlags: the flags of a build decide about the integers, data sets stay
// where they are, and what is left to the target stands in the build.
func TestProjectsHaveTheFlags(t *testing.T) {
	path := dnnctest.SensorsFolder(t)
	dir := projectOf(t, path("tones.dnn"), "make", "-O", "universal,size", "-bits", "2", "-calib", path("tones.npz"), "-ram", "64KiB", "-target", "armv7em")
	text := string(dnnctest.Contents(t, dir, "network/tones.dnn")["network/tones.dnn"])
	assert.Contains(t, text, "dnn 1 after tune")
	assert.Contains(t, text, "odd2[3,112]")
	assert.NotContains(t, text, "npz")
	makefile := string(dnnctest.Contents(t, dir, "Makefile")["Makefile"])
	assert.Contains(t, makefile, "DNNCFLAGS ?= -O size -ram 65536\n")
	assert.Contains(t, makefile, "TARGET ?= armv7em\n")
	assert.ElementsMatch(t, []string{"Makefile", "main.c", "network/tones.dnn", "network/" + filepath.Base(tensorsOf(t, dir))}, filesOf(t, dir))
	// Equal inputs and flags, equal bytes.
	again := projectOf(t, path("tones.dnn"), "make", "-O", "universal,size", "-bits", "2", "-calib", path("tones.npz"), "-ram", "64KiB", "-target", "armv7em")
	assert.Equal(t, dnnctest.Contents(t, dir, filesOf(t, dir)...), dnnctest.Contents(t, again, filesOf(t, dir)...))
}

// TestInitFollowsNoLinks: weights that a link of the network's folder reaches are refused, and
// what else lies there stays there.
func TestInitFollowsNoLinks(t *testing.T) {
	from, secret := dnnctest.Workspace(t), filepath.Join(t.TempDir(), "secret.safetensors")
	weights := filepath.Join(from, "lenet5.safetensors")
	require.NoError(t, os.Rename(weights, secret))
	if err := os.Symlink(secret, weights); err != nil {
		t.Skip(err)
	}
	to := filepath.Join(t.TempDir(), "project")
	code, _, stderr := dnnctest.Run(t, "init", "make", filepath.Join(from, "lenet5.dnn"), to)
	assert.NotZero(t, code)
	assert.Contains(t, stderr, "-allow-outside")
	assert.NoDirExists(t, to)
	// Where the user allows it, its numbers are written, never the file or the link.
	require.NoError(t, os.Symlink(secret, filepath.Join(from, "other")))
	code, _, stderr = dnnctest.Run(t, "init", "make", filepath.Join(from, "lenet5.dnn"), to, "-allow-outside", "-images", "4")
	require.Zero(t, code, stderr)
	assert.Len(t, filesOf(t, to), 4)
}

// TestInitTakesAnEmptyFolder, in which it leaves no temporary one.
func TestInitTakesAnEmptyFolder(t *testing.T) {
	dir := t.TempDir()
	dnnctest.Succeed(t, "init", "make", dnnctest.Small(t), dir, "-images", "4")
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{"Makefile", "main.c", "network"}, names)
}

// TestFileNamesAreNoMarkup: a README names the network's file as code, whatever its characters.
func TestFileNamesAreNoMarkup(t *testing.T) {
	from := dnnctest.Small(t)
	name := "<img src=x onerror=a()>`.dnn"
	require.NoError(t, os.Rename(from, filepath.Join(filepath.Dir(from), name)))
	dir := filepath.Join(t.TempDir(), "project")
	dnnctest.Succeed(t, "init", "arduino", filepath.Join(filepath.Dir(from), name), dir, "-images", "4")
	assert.Contains(t, string(dnnctest.Contents(t, dir, "README.md")["README.md"]), "``"+name+"``")
}

// TestZephyrModule reads the metadata of a module as Zephyr does, and builds the sample with
// functions of Zephyr's build stood in for.
func TestZephyrModule(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "gcc")
	dir := newProject(t, "zephyr")
	var module struct {
		Name  string
		Build struct {
			CMake   string `yaml:"cmake"`
			Kconfig string `yaml:"kconfig"`
		}
		Samples []string
	}
	strict(t, filepath.Join(dir, "zephyr/module.yml"), &module)
	assert.FileExists(t, filepath.Join(dir, module.Build.CMake, "CMakeLists.txt"))
	assert.FileExists(t, filepath.Join(dir, module.Build.Kconfig))
	assert.DirExists(t, filepath.Join(dir, module.Samples[0]))
	assert.Equal(t, "dnnc-lenet5", module.Name)
	var sample struct {
		Sample struct{ Name, Description string }
		Tests  map[string]struct {
			Tags          string
			Platforms     []string `yaml:"integration_platforms"`
			Harness       string
			HarnessConfig struct {
				Type  string
				Regex []string
			} `yaml:"harness_config"`
		}
	}
	strict(t, filepath.Join(dir, "samples/run/sample.yaml"), &sample)
	require.Len(t, sample.Tests, 1)
	kconfig := string(dnnctest.Contents(t, dir, "zephyr/Kconfig")["zephyr/Kconfig"])
	for _, m := range regexp.MustCompile(`default "([^"]*)"`).FindAllStringSubmatch(kconfig, -1) {
		assert.Contains(t, dnnctest.Succeed(t, "targets"), "\n"+strings.TrimSuffix(m[1], "-dsp"), m[1])
	}
	told := newProject(t, "zephyr", "-target", "armv8m")
	assert.Equal(t, 1, strings.Count(string(dnnctest.Contents(t, told, "zephyr/Kconfig")["zephyr/Kconfig"]), "default"), "what the user names holds for every board")

	zephyr := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(zephyr, "ZephyrConfig.cmake"), []byte(`
enable_language(C)
file(WRITE ${CMAKE_BINARY_DIR}/empty.c "")
add_executable(app ${CMAKE_BINARY_DIR}/empty.c)
add_custom_target(zephyr_generated_headers)
add_dependencies(app zephyr_generated_headers)
function(zephyr_library_named name)
  add_library(${name} STATIC)
  target_link_libraries(app PRIVATE ${name})
endfunction()
function(zephyr_include_directories)
  target_include_directories(app PRIVATE ${ARGN})
endfunction()
file(STRINGS prj.conf lines REGEX "=y$")
foreach(line ${lines})
  string(REPLACE "=y" "" name ${line})
  set(${name} y)
endforeach()
set(CONFIG_DNNC_LENET5_TARGET ${TARGET})
foreach(module ${EXTRA_ZEPHYR_MODULES})
  add_subdirectory(${module}/zephyr module)
endforeach()
`), 0o644))
	app := filepath.Join(dir, "samples/run")
	build := func(target string) ([]byte, error) {
		c := exec.Command("cmake", "-S", ".", "-B", "build", "-G", "Ninja", "-DZephyr_DIR="+zephyr, "-DTARGET="+target, "-DDNNC_EXECUTABLE="+dnnctest.Path(t))
		c.Dir = app
		return c.CombinedOutput()
	}
	out, err := build("x86_64")
	require.NoError(t, err, string(out))
	dnnctest.Tool(t, app, "cmake", "--build", "build")
	said := dnnctest.Tool(t, app, "build/app")
	for _, test := range sample.Tests {
		assert.Regexp(t, test.HarnessConfig.Regex[0], said)
	}
	out, err = build("")
	assert.Error(t, err)
	assert.Contains(t, strings.Join(strings.Fields(string(out)), " "), "CONFIG_DNNC_LENET5_TARGET names one of")
}

// strict reads a YAML file that has no other keys.
func strict(t *testing.T, path string, into any) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	require.NoError(t, d.Decode(into), path)
}

// TestESPIDFComponent registers the component with functions of ESP-IDF's build stood in for:
// the library for RISC-V without an FPU, C for all others, which builds and runs here.
func TestESPIDFComponent(t *testing.T) {
	dnnctest.Need(t, "cmake", "ninja", "gcc")
	dir := newProject(t, "esp-idf")
	var about struct {
		Version, Description, URL string
		Tags                      []string
		Dependencies              map[string]string
	}
	strict(t, filepath.Join(dir, "idf_component.yml"), &about)
	assert.Regexp(t, `^\d+\.\d+\.\d+$`, about.Version)
	idf := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(idf, "tools/cmake"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(idf, "tools/cmake/project.cmake"), []byte(`
function(idf_build_get_property into name)
  set(${into} ${${name}} PARENT_SCOPE)
endfunction()
function(idf_component_register)
  cmake_parse_arguments(ARG "" "" "SRCS;INCLUDE_DIRS" ${ARGN})
  get_filename_component(name ${CMAKE_CURRENT_LIST_DIR} NAME)
  list(TRANSFORM ARG_SRCS PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
  list(TRANSFORM ARG_INCLUDE_DIRS PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
  if(ARG_SRCS)
    add_library(${name} STATIC ${ARG_SRCS})
    target_include_directories(${name} PUBLIC ${ARG_INCLUDE_DIRS})
  else()
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${ARG_INCLUDE_DIRS})
  endif()
  set(COMPONENT_LIB ${name} PARENT_SCOPE)
endfunction()
function(add_prebuilt_library name file)
  message(STATUS "prebuilt ${file}")
  add_library(${name} STATIC IMPORTED GLOBAL)
  set_property(TARGET ${name} PROPERTY IMPORTED_LOCATION ${file})
endfunction()
macro(project name)
  _project(${name} C)
  get_filename_component(component_dir ${EXTRA_COMPONENT_DIRS} ABSOLUTE)
  add_subdirectory(${component_dir} component)
  add_subdirectory(main)
  get_filename_component(component ${component_dir} NAME)
  target_link_libraries(main PUBLIC ${component})
  file(WRITE ${CMAKE_BINARY_DIR}/start.c "void app_main(void); int main(void) { app_main(); return 0; }")
  if(NOT IDF_TARGET STREQUAL esp32c3)
    add_executable(app ${CMAKE_BINARY_DIR}/start.c)
    target_link_libraries(app main)
  endif()
endmacro()
`), 0o644))
	t.Setenv("IDF_PATH", idf)
	example := filepath.Join(dir, "examples/run")
	said := dnnctest.Tool(t, example, "cmake", "-S", ".", "-B", "c3", "-G", "Ninja", "-DIDF_TARGET=esp32c3")
	assert.Regexp(t, "prebuilt .*/riscv32/lenet5.a", said)
	said = dnnctest.Tool(t, example, "cmake", "-S", ".", "-B", "s3", "-G", "Ninja", "-DIDF_TARGET=esp32s3")
	assert.NotContains(t, said, "prebuilt")
	dnnctest.Tool(t, example, "cmake", "--build", "s3")
	assert.Regexp(t, `^class \d\n`, dnnctest.Tool(t, example, "s3/app"))
	// What the chip gets is an object of RISC-V for calls without an FPU.
	if _, err := exec.LookPath("readelf"); err == nil {
		header := dnnctest.Tool(t, dir, "readelf", "-h", "riscv32/lenet5.a")
		assert.Contains(t, header, "RISC-V")
		assert.Contains(t, header, "RVC, soft-float ABI")
	}
}

// TestPlatformIOLibrary holds the manifest of a library to PlatformIO's fields.
func TestPlatformIOLibrary(t *testing.T) {
	dir := newProject(t, "platformio")
	text := dnnctest.Contents(t, dir, "lib/lenet5/library.json")["lib/lenet5/library.json"]
	var about map[string]any
	require.NoError(t, json.Unmarshal(text, &about))
	for field, pattern := range map[string]string{
		"name": `^[A-Za-z0-9][A-Za-z0-9_. -]{0,99}$`, "version": `^\d+\.\d+\.\d+$`, "description": `^.{1,255}$`, "keywords": `^[a-z ]+(, [a-z ]+)*$`,
		"homepage": `^https://`, "headers": `^lenet5\.h$`, "frameworks": `^\*$`, "platforms": `^\*$`, "authors": "name", "build": "srcDir", "export": "include",
	} {
		require.Contains(t, about, field)
		assert.Regexp(t, pattern, fmt.Sprint(about[field]), field)
		delete(about, field)
	}
	assert.Empty(t, about, "no other fields")
	assert.FileExists(t, filepath.Join(dir, "lib/lenet5/src/lenet5.h"))
	assert.ElementsMatch(t, []string{"README.md", "library.json", "src/lenet5.c", "src/lenet5.h", "src/lenet5.json"}, filesOf(t, filepath.Join(dir, "lib/lenet5")))
	dnnctest.Need(t, "gcc")
	dnnctest.Tool(t, dir, "gcc", "-Wall", "-Wextra", "-Werror", "-Ilib/lenet5/src", "src/main.c", "lib/lenet5/src/lenet5.c", "-o", "app")
	assert.Regexp(t, `^class \d\n`, dnnctest.Tool(t, dir, "./app"))
}

// sketch compiles a library's sketch as C++ between declarations of Arduino's.
func sketch(t *testing.T, dir string) {
	t.Helper()
	text := dnnctest.Contents(t, dir, "examples/run/run.ino")["examples/run/run.ino"]
	program := "struct { void begin(long); void println(int); void println(double); } Serial;\nvoid delay(unsigned long);\n" + string(text)
	from := filepath.Join(t.TempDir(), "sketch.cpp")
	require.NoError(t, os.WriteFile(from, []byte(program), 0o644))
	dnnctest.Tool(t, dir, "g++", "-std=gnu++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-Isrc", from)
}

// TestArduinoRules holds a library to the rules of arduino-lint for libraries that are
// submitted, each by the words that its documentation has for it. A licence file is its owner's.
func TestArduinoRules(t *testing.T) {
	dir := newProject(t, "arduino")
	files := filesOf(t, dir)
	properties, order := map[string]string{}, []string{}
	for _, line := range strings.Split(strings.TrimSpace(string(dnnctest.Contents(t, dir, "library.properties")["library.properties"])), "\n") {
		key, value, ok := strings.Cut(line, "=")
		require.True(t, ok, "library.properties format: %q", line)
		assert.NotContains(t, order, key, "once")
		properties[key], order = value, append(order, key)
	}
	matches := func(key, pattern string) func() bool {
		return func() bool { return regexp.MustCompile(pattern).MatchString(properties[key]) }
	}
	has := func(name string) func() bool { return func() bool { return slices.Contains(files, name) } }
	no := func(pattern string) func() bool {
		return func() bool {
			return !slices.ContainsFunc(files, regexp.MustCompile(pattern).MatchString)
		}
	}
	for rule, holds := range map[string]func() bool{
		"LS001 invalid library":               has("src/lenet5.h"),
		"LS004 submodule":                     no(`(^|/)\.gitmodules$`),
		"LS006 .development file":             no(`^\.development$`),
		"LS007 .exe file":                     no(`\.exe$`),
		"LS008 name-header mismatch":          func() bool { return slices.Contains(files, "src/"+properties["name"]+".h") },
		"LS009 src folder case":               no(`^(?:S[Rr][Cc]|s[R][Cc]|sr[C])/`),
		"LS010 recursive with utility folder": no(`^utility/`),
		"LS011 incorrect extras folder name":  no(`^(extra|Extras?)/`),
		"LP001 missing library.properties":    has("library.properties"),
		"LP004 redundant library.properties":  no(`/library\.properties$`),
		"missing name field":                  matches("name", `.`),
		"name: allowed characters":            matches("name", `^[A-Za-z0-9][A-Za-z0-9_.\- ]*$`),
		"name: at most 63 characters":         matches("name", `^.{1,63}$`),
		"name: recommended length of 16":      matches("name", `^.{1,16}$`),
		"name: no arduino, genuino, library":  func() bool { return !regexp.MustCompile(`(?i)arduino|genuino|library`).MatchString(properties["name"]) },
		"name: no spaces":                     matches("name", `^\S+$`),
		"version: semver":                     matches("version", `^\d+\.\d+\.\d+$`),
		"missing author":                      matches("author", `\S`),
		"missing maintainer":                  matches("maintainer", `\S`),
		"maintainer does not claim Arduino": func() bool {
			return !strings.Contains(strings.ToLower(properties["author"]+properties["maintainer"]), "arduino")
		},
		"missing sentence":                   matches("sentence", `\S`),
		"missing paragraph":                  matches("paragraph", `\S`),
		"paragraph does not repeat sentence": func() bool { return !strings.HasPrefix(properties["paragraph"], properties["sentence"]) },
		"category is one of the list":        matches("category", `^(Display|Communication|Signal Input/Output|Sensors|Device Control|Timing|Data Storage|Data Processing|Other)$`),
		"category is not Uncategorized":      func() bool { return properties["category"] != "Uncategorized" },
		"url: a web address":                 matches("url", `^https?://[\w./-]+$`),
		"architectures":                      matches("architectures", `^\*$`),
		"includes: files that are there":     func() bool { return slices.Contains(files, "src/"+properties["includes"]) },
		"no unknown or optional fields": func() bool {
			return slices.Equal(order, strings.Fields("name version author maintainer sentence paragraph category url architectures includes"))
		},
		"readme":               has("README.md"),
		"examples folder name": no(`^(example|Examples?)/`),
		"sketch: main file has the folder's name": has("examples/run/run.ino"),
		"sketch: allowed characters":              no(`^examples/.*[^A-Za-z0-9_./-]`),
		"no .pde sketches":                        no(`\.pde$`),
		"keywords.txt: tab between identifier and kind": func() bool {
			text := string(dnnctest.Contents(t, dir, "keywords.txt")["keywords.txt"])
			return regexp.MustCompile(`^([A-Za-z_]\w*\t(KEYWORD[123]|LITERAL1)\n)+$`).MatchString(text)
		},
	} {
		assert.True(t, holds(), rule)
	}
	header := string(dnnctest.Contents(t, dir, "src/lenet5.h")["src/lenet5.h"])
	for _, m := range regexp.MustCompile(`(?m)^(\w+)\t`).FindAllStringSubmatch(string(dnnctest.Contents(t, dir, "keywords.txt")["keywords.txt"]), -1) {
		assert.Contains(t, header, m[1])
	}
	dnnctest.Need(t, "gcc", "g++")
	dnnctest.Tool(t, dir, "gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-c", "src/lenet5.c", "-o", "/dev/null")
	sketch(t, dir)
}

// TestValidators has tools of other people look at projects, as make test-adoption installs
// them: PlatformIO packs the library, Espressif's component manager the component, and
// kconfiglib chooses the target of a board.
func TestValidators(t *testing.T) {
	dnnctest.Need(t, "pio", "compote", "python3")
	dir, to := newProject(t, "platformio"), t.TempDir()
	t.Setenv("PLATFORMIO_CORE_DIR", filepath.Join(to, "pio"))
	assert.Contains(t, dnnctest.Tool(t, filepath.Join(dir, "lib/lenet5"), "pio", "pkg", "pack", "-o", to), "lenet5-1.0.0.tar.gz")
	packed := dnnctest.Tool(t, to, "tar", "tzf", "lenet5-1.0.0.tar.gz")
	for _, name := range []string{"library.json", "README.md", "src/lenet5.c", "src/lenet5.h"} {
		assert.Contains(t, packed, name+"\n")
	}
	dnnctest.Tool(t, newProject(t, "esp-idf"), "compote", "component", "pack", "--name", "lenet5", "--dest-dir", to)
	assert.FileExists(t, filepath.Join(to, "lenet5_1.0.0.tgz"))
	kconfig := filepath.Join(newProject(t, "zephyr"), "zephyr/Kconfig")
	for cpu, target := range map[string]string{"CPU_CORTEX_M0": "armv6m", "CPU_CORTEX_M4": "armv7em", "CPU_CORTEX_M33": "armv8m-dsp", "RISCV": "riscv32", "XTENSA": ""} {
		board := filepath.Join(to, "Kconfig")
		require.NoError(t, os.WriteFile(board, fmt.Appendf(nil, "mainmenu \"board\"\nconfig %s\n\tbool\n\tdefault y\nsource \"%s\"\n", cpu, kconfig), 0o644))
		said := dnnctest.Tool(t, to, "python3", "-c", "import kconfiglib, sys\nk = kconfiglib.Kconfig(sys.argv[1])\nk.syms['DNNC_LENET5'].set_value('y')\nprint(k.syms['DNNC_LENET5_TARGET'].str_value, k.warnings)", board)
		assert.Equal(t, target+" []\n", said, cpu)
	}
}
