// Package project writes minimal, working projects around a network for the build
// systems of embedded software.
package project

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/dnnc/dnnc"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/geometry"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/input"
)

//go:embed templates
var templates embed.FS

// kind is a build system.
type kind struct {
	name   string
	target string            // unless another is asked for
	files  map[string]string // path in the project to template
	images bool              // with test images as C
	// The network's file, and what it is, for builds that do not run dnnc.
	file, emit string
	cortexM    bool // for processors that CMSIS has names for
	// What to do with the project: DIR is its folder, TOOL where dnnc is, if not on
	// the PATH, in the words of tool.
	next, tool string
}

// smallest is the target of projects that hold the network as C, for whatever processor:
// its kernels print the least of it and have the smallest arenas.
const smallest = "armv6m"

var kinds = []kind{
	{name: "cmake", next: `cmake -S DIR -B DIR/build TOOL && cmake --build DIR/build && DIR/build/app`, tool: "-DDNNC_EXECUTABLE=",
		target: "x86_64", files: map[string]string{
			"CMakeLists.txt": "cmake/CMakeLists.txt", "cmake/dnnc.cmake": "common/dnnc.cmake", "main.c": "common/main.c",
			"cmake/arm-linux.cmake": "cmake/cmake/arm-linux.cmake", "cmake/cortex-m4.cmake": "cmake/cmake/cortex-m4.cmake"}},
	{name: "firmware", next: `cmake -S DIR -B DIR/m4 -DCMAKE_TOOLCHAIN_FILE=cmake/cortex-m4.cmake TOOL && cmake --build DIR/m4 && ctest --test-dir DIR/m4 -V`, tool: "-DDNNC_EXECUTABLE=",
		target: "armv7em", images: true, files: map[string]string{
			"CMakeLists.txt": "firmware/CMakeLists.txt", "cmake/dnnc.cmake": "common/dnnc.cmake", "main.c": "firmware/main.c", "main.cpp": "firmware/main.cpp",
			"cmake/cortex-m4.cmake": "firmware/cmake/cortex-m4.cmake", "cmake/cortex-m0.cmake": "firmware/cmake/cortex-m0.cmake", "start.c": "firmware/start.c", "board.ld": "firmware/board.ld"}},
	{name: "make", next: `make -C DIR TOOL && DIR/app`, tool: "DNNC=",
		target: "x86_64", files: map[string]string{"Makefile": "make/Makefile", "main.c": "common/main.c"}},
	{name: "zephyr", next: `west build -b BOARD DIR -- TOOL`, tool: "-DDNNC_EXECUTABLE=",
		target: "armv7em", files: map[string]string{
			"CMakeLists.txt": "zephyr/CMakeLists.txt", "cmake/dnnc.cmake": "common/dnnc.cmake", "prj.conf": "zephyr/prj.conf", "src/main.c": "common/main.c"}},
	{name: "arduino", next: `zip -r NAME.zip DIR, then Sketch, Include Library, Add .ZIP Library; the example is classify`,
		target: smallest, file: "src/PREFIX.c", emit: "c", files: map[string]string{
			"library.properties": "arduino/library.properties", "examples/classify/classify.ino": "arduino/examples/classify/classify.ino"}},
	{name: "platformio", next: `pio run -d DIR -e native`,
		target: smallest, file: "lib/PREFIX/src/PREFIX.c", emit: "c", files: map[string]string{
			"platformio.ini": "platformio/platformio.ini", "dnnc.py": "platformio/dnnc.py", "src/main.c": "common/main.c", "lib/PREFIX/library.json": "platformio/library.json"}},
	{name: "cmsis", next: `cpackget add DIR/dnnc.NAME.pdsc`,
		target: "armv7em", file: "lib/PREFIX.a", emit: "lib", cortexM: true, files: map[string]string{
			"dnnc.PREFIX.pdsc": "cmsis/network.pdsc", "README.md": "cmsis/README.md", "template/main.c": "common/main.c"}},
}

// Kinds are the names of the build systems.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Init writes a project: its kind, the network, a folder that does not exist yet or
// is empty, and a target.
func Init(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == args[0] })
	if i < 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "no projects of %s: there are %s", args[0], strings.Join(Kinds(), " ")).WithSuggestion(args[0], Kinds())
	}
	k, network, dir := kinds[i], args[1], args[2]
	if len(args) > 3 {
		k.target = args[3]
	}
	t, err := processor.Find(k.target)
	if err != nil {
		return err
	}
	if k.cortexM && len(cores(t)) == 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "projects of %s are for Cortex-M, which %s is not", k.name, k.target).
			WithHelp("armv6m armv7m armv7em armv8m and armv8.1m are")
	}
	m, err := driver.Load(driver.Options{Input: network, Level: string(pass.Int8)})
	if err != nil {
		return err
	}
	if err := ir.Infer(m).Err(); err != nil {
		return err
	}
	if len(m.Inputs) != 1 || len(m.Outputs) != 1 {
		return diag.New(m.Pos, diag.Unsupported, "projects are written around networks of one input and one result")
	}
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return diag.New(diag.Pos{}, diag.BadOutput, "%s is not empty", dir).WithHelp("name a folder that does not exist yet")
	}
	p := &project{dir: dir, Prefix: m.Name, Up: strings.ToUpper(m.Name), Target: k.target, C: "int8_t", Cores: cores(t)}
	p.Sub = strings.TrimLeft(p.Prefix, "_")
	p.Sub = p.Sub[:min(len(p.Sub), 32)]
	if m.IsIndex(m.Inputs[0]) {
		p.C = "int16_t"
	}
	if k.images {
		if err := p.images(network, m); err != nil {
			return err
		}
	}
	if err := p.network(network, m); err != nil {
		return err
	}
	if err := p.templates(k); err != nil {
		return err
	}
	if k.emit != "" {
		if err := p.compile(ctx, k, stderr); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "%s: a project of %s around %s for %s\nnext: %s\n", dir, k.name, m.Name, k.target, k.doNext(dir, m.Name))
	return nil
}

// doNext is the kind's command line for a project.
func (k kind) doNext(dir, name string) string {
	tool := ""
	if _, err := exec.LookPath("dnnc"); err != nil && k.tool != "" {
		if self, err := os.Executable(); err == nil {
			tool = k.tool + quote.Shell(self)
		}
	}
	line := strings.NewReplacer("DIR", quote.Shell(dir), "NAME", name, " TOOL", strings.TrimRight(" "+tool, " ")).Replace(k.next)
	return strings.TrimSuffix(line, " --")
}

// project is what templates know.
type project struct {
	dir                string
	Prefix, Up, Target string
	C                  string // the type of the input's elements
	Cores              []string
	Sub                string // the prefix as CMSIS-Pack takes names of components (CsubType)
}

// cores are the processors that a target's code runs on as conditions of a CMSIS-Pack
// (FilterType): those of its family, or the one that refines it. What a processor may
// lack, the device must be said to have.
func cores(t *processor.Target) (list []string) {
	cpus := []string{t.CPU}
	if !strings.Contains(t.Name, ":") {
		for _, c := range t.CPUs {
			cpus = append(cpus, c.Name)
		}
	}
	may := func(feature string) bool {
		return t.Has(feature) && slices.ContainsFunc(t.Known, func(k processor.Feature) bool { return k.Name == feature })
	}
	for _, c := range cpus {
		name, ok := strings.CutPrefix(c, "cortex-m")
		if !ok {
			continue
		}
		core := `Dcore="Cortex-M` + strings.ToUpper(strings.Replace(name, "plus", "+", 1)) + `"`
		switch {
		case may("mve"):
			list = append(list, core+` Dmve="MVE"`, core+` Dmve="FP_MVE"`)
		case may("dsp"):
			list = append(list, core+` Ddsp="DSP"`)
		default:
			list = append(list, core)
		}
	}
	return list
}

func (p *project) path(name string) string {
	return filepath.Join(p.dir, filepath.FromSlash(strings.ReplaceAll(name, "PREFIX", p.Prefix)))
}

func (p *project) write(name string, content []byte) error {
	path := p.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	return driver.Replace(path, content)
}

// network copies the text, its tensors and its images; a model of another format
// becomes a text.
func (p *project) network(path string, m *ir.Module) error {
	if driver.IsModel(path) {
		to := p.path("network/" + p.Prefix)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
		}
		return driver.WriteText(to, path, m)
	}
	files := map[string]string{filepath.Base(path): p.Prefix + ".dnn"}
	for _, t := range m.Tensors {
		files[t.Path] = t.Path
	}
	for _, d := range []string{m.Calib, m.Test} {
		if d == "" || filepath.IsAbs(d) {
			continue
		}
		files[d] = d
		labels := filepath.Join(filepath.Dir(d), strings.Replace(filepath.Base(d), "images-idx3", "labels-idx1", 1))
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), labels)); err == nil {
			files[labels] = labels
		}
	}
	var all driver.Files
	for _, from := range slices.Sorted(maps.Keys(files)) {
		all.Reads("the input", filepath.Join(filepath.Dir(path), from))
		all.Writes("the copy of "+from+",", p.path("network/"+filepath.ToSlash(files[from])))
	}
	if err := all.Check(); err != nil {
		return err
	}
	for _, from := range slices.Sorted(maps.Keys(files)) {
		to := files[from]
		content, err := input.Map(filepath.Join(filepath.Dir(path), from))
		if err != nil {
			return diag.New(diag.Pos{}, diag.BadFile, "%v", err)
		}
		if err := p.write("network/"+filepath.ToSlash(to), content); err != nil {
			return err
		}
	}
	return nil
}

// firmwareImages is the test images that a firmware carries.
const firmwareImages = 10

// images writes some of the network's test images, levels of 0 to 255 in the order
// of memory, and their labels.
func (p *project) images(path string, m *ir.Module) error {
	data := driver.TestData(driver.Options{Input: path}, m)
	if data == "" {
		return diag.New(m.Pos, diag.BadData, "the network names no test images, which the firmware is to classify").WithHelp(`data test "images-idx3-ubyte.gz" in the text`)
	}
	in := m.Inputs[0]
	b, err := driver.Images(driver.Defaults(), data, m, dataset.Test, firmwareImages)
	if err != nil {
		return err
	}
	low, high := dnnc.RangeOf(in)
	var s bytes.Buffer
	size, order := in.Type.Shape.Size(), geometry.Order(in.Type.Shape)
	fmt.Fprintf(&s, "/* Images of %s: levels in the order of the network's input, and their classes. */\n#include <stdint.h>\n#define IMAGES %d\n", quote.CComment(filepath.Base(data)), b.N)
	fmt.Fprintf(&s, "/* The real that a level stands for is low + step * level. */\n#define IMAGE_LOW %.8ef\n#define IMAGE_STEP %.8ef\n", low, (float64(high)-float64(low))/255)
	fmt.Fprintf(&s, "static const uint8_t images[IMAGES][%d] = {\n", size)
	for i := range b.N {
		s.WriteString("{")
		for k, at := range order {
			if k%28 == 0 {
				s.WriteString("\n  ")
			}
			fmt.Fprintf(&s, "%d,", int((b.Image(i)[at]-low)/(high-low)*255+.5))
		}
		s.WriteString("},\n")
	}
	s.WriteString("};\nstatic const uint8_t labels[IMAGES] = {")
	for i := range b.N {
		label := 0
		if b.Labels != nil {
			label = b.Labels[i]
		}
		fmt.Fprintf(&s, "%d,", label)
	}
	s.WriteString("};\n")
	return p.write("images.h", s.Bytes())
}

func (p *project) templates(k kind) error {
	for name, from := range k.files {
		text, err := templates.ReadFile("templates/" + from + ".tmpl")
		if err != nil {
			return err
		}
		t, err := template.New(name).Parse(string(text))
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		if err := p.write(name, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// compile writes the network, its header and its certificate.
func (p *project) compile(ctx context.Context, k kind, messages io.Writer) error {
	out := p.path(k.file)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	o := driver.Defaults()
	o.Input, o.Output, o.Target, o.Emit = p.path("network/"+p.Prefix+".dnn"), out, p.Target, []string{k.emit}
	return driver.Build(ctx, o, io.Discard, messages)
}
