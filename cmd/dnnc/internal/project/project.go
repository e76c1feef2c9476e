// Package project writes minimal, working projects around a network for the build
// systems of embedded software.
package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/driver"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/processor"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/measure"
)

// kind is a build system.
type kind struct {
	name    string
	target  string            // unless another is asked for
	files   map[string]string // path in the project to template
	samples bool              // with items and answers as C
	builds  []compiled        // of projects whose builds do not run dnnc
	cortexM bool              // for processors that CMSIS has names for
	byBoard bool              // the board says the target, unless the user does
	// What to do with the project: DIR is its folder, TOOL where dnnc is, if not on
	// the PATH, in the words of tool.
	next, tool string
	// next for targets of another architecture than target's, whose programs do not run here.
	cross string
}

// compiled is a network as a project carries it: a library, or C for every compiler.
type compiled struct {
	target string // "" is the project's
	file   string // its header and certificate lie beside it
	emit   string
}

// smallest is the target of projects that hold the network as C, for whatever processor:
// its kernels print the least of it and have the smallest arenas.
const smallest = "armv6m"

var kinds = []kind{
	{name: "cmake", next: `cmake -S DIR -B DIR/build TOOL && cmake --build DIR/build && DIR/build/app`,
		cross: `cmake -S DIR -B DIR/build -DCMAKE_TOOLCHAIN_FILE=FILE TOOL && cmake --build DIR/build, where FILE is a toolchain file for TARGET: DIR/cmake has some`, tool: "-DDNNC_EXECUTABLE=",
		target: "x86_64", files: map[string]string{
			"CMakeLists.txt": "cmake/CMakeLists.txt", "cmake/dnnc.cmake": "common/dnnc.cmake", "main.c": "common/main.c",
			"cmake/arm-linux.cmake": "cmake/cmake/arm-linux.cmake", "cmake/cortex-m4.cmake": "cmake/cmake/cortex-m4.cmake"}},
	{name: "firmware", next: `cmake -S DIR -B DIR/m4 -DCMAKE_TOOLCHAIN_FILE=cmake/cortex-m4.cmake TOOL && cmake --build DIR/m4 && ctest --test-dir DIR/m4 -V`, tool: "-DDNNC_EXECUTABLE=",
		target: "armv7em", samples: true, files: map[string]string{
			"CMakeLists.txt": "firmware/CMakeLists.txt", "cmake/dnnc.cmake": "common/dnnc.cmake", "main.c": "firmware/main.c", "main.cpp": "firmware/main.cpp",
			"cmake/cortex-m4.cmake": "firmware/cmake/cortex-m4.cmake", "cmake/cortex-m0.cmake": "firmware/cmake/cortex-m0.cmake", "start.c": "firmware/start.c", "board.ld": "firmware/board.ld"}},
	{name: "make", next: `make -C DIR TOOL && DIR/app`,
		cross: `make -C DIR build/NAME.o TOOL, which makes the object for TARGET; with CC=COMPILER of TARGET make links DIR/app, too`, tool: "DNNC=",
		target: "x86_64", files: map[string]string{"Makefile": "make/Makefile", "main.c": "common/main.c"}},
	{name: "zephyr", next: `west build -b mps2/an386 DIR/samples/run -- TOOL`, tool: "-DDNNC_EXECUTABLE=",
		target: "armv7em", byBoard: true, files: map[string]string{
			"README.md": "zephyr/README.md", "cmake/dnnc.cmake": "common/dnnc.cmake",
			"zephyr/module.yml": "zephyr/module.yml", "zephyr/Kconfig": "zephyr/Kconfig", "zephyr/CMakeLists.txt": "zephyr/CMakeLists.txt",
			"samples/run/CMakeLists.txt": "zephyr/sample/CMakeLists.txt", "samples/run/prj.conf": "zephyr/sample/prj.conf",
			"samples/run/sample.yaml": "zephyr/sample/sample.yaml", "samples/run/src/main.c": "common/main.c"}},
	{name: "arduino", next: `zip -r NAME.zip DIR, then Sketch, Include Library, Add .ZIP Library; the example is run`,
		target: smallest, builds: []compiled{{"", "src/PREFIX.c", "c"}}, files: map[string]string{
			"README.md": "arduino/README.md", "library.properties": "arduino/library.properties", "keywords.txt": "arduino/keywords.txt", "examples/run/run.ino": "arduino/run.ino"}},
	{name: "platformio", next: `pio run -d DIR -e native`,
		target: smallest, builds: []compiled{{"", "lib/PREFIX/src/PREFIX.c", "c"}}, files: map[string]string{
			"platformio.ini": "platformio/platformio.ini", "dnnc.py": "platformio/dnnc.py", "src/main.c": "common/main.c",
			"lib/PREFIX/library.json": "platformio/library.json", "lib/PREFIX/README.md": "platformio/README.md"}},
	{name: "esp-idf", next: `idf.py -C DIR/examples/run set-target esp32c3 build`,
		target: smallest, builds: []compiled{{"", "c/PREFIX.c", "c"}, {"riscv32", "riscv32/PREFIX.a", "lib"}}, files: map[string]string{
			"README.md": "esp-idf/README.md", "CMakeLists.txt": "esp-idf/CMakeLists.txt", "idf_component.yml": "esp-idf/idf_component.yml",
			"examples/run/CMakeLists.txt": "esp-idf/example/CMakeLists.txt", "examples/run/main/CMakeLists.txt": "esp-idf/example/main.cmake", "examples/run/main/main.c": "esp-idf/example/main.c"}},
	{name: "cmsis", next: `cpackget add DIR/dnnc.NAME.pdsc`,
		cortexM: true, files: map[string]string{
			"dnnc.PREFIX.pdsc": "cmsis/network.pdsc", "README.md": "cmsis/README.md", "template/main.c": "common/main.c"}},
}

// packed are the targets of a CMSIS-Pack that is asked for none. Each processor is of one.
var packed = []string{"armv6m", "armv7m", "armv7em", "armv8m", "armv8.1m"}

// Kinds are the names of the build systems.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// Init writes a project: its kind, the network, a folder that does not exist yet or is empty,
// and perhaps a target, as -target has one, too. The flags decide about the network's integers,
// which the project holds; data sets stay where they are.
func Init(ctx context.Context, o driver.Options, stdout, stderr io.Writer) error {
	words := o.Inputs
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == words[0] })
	if i < 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "no projects of %s: there are %s", words[0], strings.Join(Kinds(), " ")).WithSuggestion(words[0], Kinds())
	}
	k, dir := kinds[i], words[2]
	if len(words) > 3 {
		if o.Target != "" && o.Target != words[3] {
			return diag.New(diag.Pos{}, diag.BadValue, "two targets: %s, and -target %s", words[3], o.Target)
		}
		o.Target = words[3]
	}
	o.Input, o.Inputs = words[1], words[1:2]
	isTold := o.Target != ""
	o.Target = cmp.Or(o.Target, k.target, packed[0])
	t, err := processor.Find(o.Target)
	if err == nil && o.CPU+o.Attr != "" {
		t, err = t.Refine(o.CPU, o.Attr)
		isTold = true
	}
	if err != nil {
		return err
	}
	if k.cortexM && len(cores(t)) == 0 {
		return diag.New(diag.Pos{}, diag.BadValue, "projects of %s are for Cortex-M, which %s is not", k.name, t.Name).
			WithHelp("armv6m armv7m armv7em armv8m and armv8.1m are")
	}
	if err := vacant(dir); err != nil {
		return err
	}
	dir = filepath.Clean(dir)
	if driver.IsModel(o.Input) {
		o.Warnings.Say(stderr, diag.Warn(diag.ImportedWeights, "the project has the weights of %s in it: whoever gets the folder gets them", quote.Line(filepath.Base(o.Input))).
			WithHelp("be sure that you may hand them on before you publish the folder"))
		if err := o.Warnings.Err(); err != nil {
			return err
		}
	}
	r, err := driver.Freeze(ctx, o, stdout, stderr)
	if err != nil {
		return err
	}
	p, err := newProject(r, o, t, isTold)
	if err != nil {
		return err
	}
	if k.cortexM {
		list := packed
		if isTold {
			list = []string{t.Name}
		}
		for _, name := range list {
			k.builds = append(k.builds, compiled{name, "lib/" + folderOf(name) + "/PREFIX.a", "lib"})
		}
	}
	err = p.staged(dir, func() error {
		if err := r.WriteDump(p.path("network/PREFIX.dnn")); err != nil {
			return err
		}
		if o.Rows {
			if err := p.plan(ctx, o, t); err != nil {
				return err
			}
		}
		if k.samples {
			if err := p.samples(ctx, r, o); err != nil {
				return err
			}
		}
		for _, b := range k.builds {
			if err := p.compile(ctx, b, o); err != nil {
				return err
			}
		}
		return p.templates(k)
	})
	if err != nil {
		return err
	}
	about := []string{t.Name}
	switch {
	case k.byBoard && !isTold:
		about[0] = "the board's processor"
	case len(p.Libraries) > 0:
		about = nil
		for _, l := range p.Libraries {
			about = append(about, l.Target)
		}
	}
	fmt.Fprintf(stdout, "%s: a project of %s around %s for %s\nnext: %s\n", dir, k.name, p.Prefix, strings.Join(about, ", "), k.doNext(dir, p.Prefix, t))
	return nil
}

// vacant reports a folder in which there is no room for a project.
func vacant(dir string) error {
	if dir == "" {
		return diag.New(diag.Pos{}, diag.BadOutput, "the name of the folder is empty").WithHelp("name a folder that does not exist yet")
	}
	list, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(dir); err == nil {
			return diag.New(diag.Pos{File: dir}, diag.BadOutput, "the folder is a link to nothing").WithHelp("name a folder that does not exist yet")
		}
		return nil
	case err != nil:
		return diag.New(diag.Pos{File: dir}, diag.BadOutput, "%v", err).WithHelp("name a folder that does not exist yet")
	case len(list) > 0:
		return diag.New(diag.Pos{File: dir}, diag.BadOutput, "the folder is not empty: it has %s", quote.Line(list[0].Name())).WithHelp("name a folder that does not exist yet")
	}
	return nil
}

// doNext is the kind's command line for a project.
func (k kind) doNext(dir, name string, t *processor.Target) string {
	next := k.next
	if own, err := processor.Find(k.target); err == nil && own.Arch != t.Arch && k.cross != "" {
		next = k.cross
	}
	tool := ""
	if _, err := exec.LookPath("dnnc"); err != nil && k.tool != "" {
		if self, err := os.Executable(); err == nil {
			tool = k.tool + quote.Shell(self)
		}
	}
	line := strings.NewReplacer("DIR", quote.Shell(dir), "NAME", name, "TARGET", t.Name, " TOOL", strings.TrimRight(" "+tool, " ")).Replace(next)
	return strings.TrimSuffix(line, " --")
}

// folderOf is a target's name as a folder of any system.
func folderOf(target string) string { return strings.NewReplacer(":", "_", "+", "_").Replace(target) }

// project is what templates know.
type project struct {
	dir                string // where its files are written
	module             *ir.Module
	Prefix, Up, Target string
	Told               bool     // the user named the target
	Source             string   // the name of the network's file, as Markdown
	Flags              []string // of dnnc, for builds of what the project has
	Inputs, Outputs    []tensor
	Libraries          []library // of a CMSIS-Pack
	Sub                string    // the prefix as names of others may be, without leading underscores
	Labelled           bool      // the samples have labels
	Streams            bool      // a run takes Hop frames
	Hop                int
	Rows               bool // a function gives the input row by row
}

// tensor is an input or a result in the words of the network's header.
type tensor struct {
	Macro, Function, Var, C string
	IsClass                 bool // one label an item
}

// library is a network compiled for some processors.
type library struct {
	Target, Folder string
	Cores          []string
}

func newProject(r *driver.Result, o driver.Options, t *processor.Target, isTold bool) (*project, error) {
	m := r.Module
	p := &project{module: m, Prefix: m.Name, Up: strings.ToUpper(m.Name), Target: t.Name, Told: isTold, Source: quote.Markdown(filepath.Base(o.Input))}
	p.Sub = strings.TrimLeft(p.Prefix, "_")
	p.Sub = cmp.Or(p.Sub[:min(len(p.Sub), 32)], "network")
	if driver.IsSystemHeader(p.Prefix) {
		return nil, diag.New(m.Pos, diag.BadOutput, "the header %s.h would hide <%s.h> of C", p.Prefix, p.Prefix).WithHelp("give the network another name")
	}
	if p.Streams, p.Hop = m.Streams(), m.Stream.Hop; p.Streams {
		p.Flags = append(p.Flags, fmt.Sprintf("-stream=%d", p.Hop))
	}
	if p.Rows = o.Rows; p.Rows {
		p.Flags = append(p.Flags, "-rows")
	}
	if o.Threads > 1 {
		p.Flags = append(p.Flags, "-threads", fmt.Sprint(o.Threads))
	}
	if o.Small {
		p.Flags = append(p.Flags, "-O", "size")
	}
	if o.Budget.RAM > 0 {
		p.Flags = append(p.Flags, "-ram", fmt.Sprint(o.Budget.RAM))
	}
	task := r.Task
	if task.Name == "" {
		var err error
		if task, err = measure.TaskOf(r.Network(), o.Task, nil); err != nil && o.Task != "" {
			return nil, err
		}
	}
	describe := func(values []*ir.Value, role string) (list []tensor) {
		for k, v := range values {
			x := tensor{Macro: p.Up + "_" + strings.ToUpper(role), Function: p.Prefix, Var: role, C: "int8_t"}
			if len(values) > 1 {
				x = tensor{Macro: fmt.Sprint(x.Macro, k), Function: fmt.Sprintf("%s_%s%d", p.Prefix, role, k), Var: fmt.Sprint(role, k), C: "int8_t"}
			}
			if v.Type.Elem.Kind == ir.I16 {
				x.C = "int16_t"
			}
			if role == "output" && k < len(task.Results) {
				x.IsClass = task.Results[k].Task == measure.Classes && task.Results[k].Axis == ir.NoAxis
			}
			list = append(list, x)
		}
		return list
	}
	p.Inputs, p.Outputs = describe(m.Inputs, "input"), describe(m.Outputs, "output")
	return p, nil
}

// Arguments are those of the run function, before the arena.
func (p *project) Arguments() string {
	var list []string
	for _, x := range p.Inputs {
		if p.Rows {
			x.Var = "&camera"
		}
		list = append(list, x.Var)
	}
	for _, x := range p.Outputs {
		list = append(list, x.Var)
	}
	return strings.Join(list, ", ")
}

// Counts reports whether the program goes through elements of inputs or results.
func (p *project) Counts() bool {
	return !p.Rows || slices.ContainsFunc(p.Outputs, func(x tensor) bool { return !x.IsClass })
}

// FlagList are the flags as a list of CMake.
func (p *project) FlagList() string { return strings.Join(p.Flags, ";") }

// FlagLine are the flags as a shell has them.
func (p *project) FlagLine() string { return strings.Join(p.Flags, " ") }

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

// plan has what a build of the project refuses be refused now.
func (p *project) plan(ctx context.Context, from driver.Options, t *processor.Target) error {
	_, err := driver.Compile(ctx, p.options(from, t.Name), io.Discard, io.Discard)
	return err
}

// options are those of a build of what the project has.
func (p *project) options(from driver.Options, target string) driver.Options {
	o := driver.Defaults()
	o.Input, o.Target = p.path("network/PREFIX.dnn"), target
	o.Small, o.Threads, o.Stream, o.Rows, o.Budget.RAM, o.Warnings = from.Small, from.Threads, from.Stream, from.Rows, from.Budget.RAM, from.Warnings
	o.Level = string(pass.Int8)
	return o
}

// compile writes the network for a target, its header and its certificate, from the integers
// that the project has.
func (p *project) compile(ctx context.Context, b compiled, from driver.Options) error {
	name := cmp.Or(b.target, p.Target)
	t, err := processor.Find(name)
	if err != nil {
		return err
	}
	p.Libraries = append(p.Libraries, library{name, folderOf(name), cores(t)})
	out := p.path(b.file)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return diag.New(diag.Pos{}, diag.BadOutput, "%v", err)
	}
	o := p.options(from, name)
	o.Output, o.Emit = out, []string{b.emit}
	return driver.Build(ctx, o, io.Discard, io.Discard) // Freeze said all of the network
}
