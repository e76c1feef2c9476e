package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/cluster"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/graph"
	"github.com/dnnc/dnnc/cmd/dnnc/internal/terminal"
	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/measure"
	"github.com/dnnc/dnnc/runtime/replace"
)

// Build compiles a network and writes its outputs: all to temporary files, which
// are then renamed, header and certificate first, the object last.
func Build(ctx context.Context, o Options, out, messages io.Writer) error {
	o.Reports = o.StopAfter == ""
	b := &build{ctx: ctx, o: o, out: out, prefix: o.Prefix}
	if len(o.Emit) == 0 {
		b.o.Emit = []string{"obj"}
	}
	if slices.ContainsFunc(b.o.Emit, func(e string) bool { return e == "cmake" || e == "pc" }) && !slices.Contains(b.o.Emit, "lib") {
		b.o.Emit = append(slices.Clone(b.o.Emit), "lib") // which they name
	}
	r, err := b.search(o, messages)
	if err != nil {
		return err
	}
	b.r = r
	if o.Ready != nil {
		o.Ready()
	}
	r.WarnOfWaste()
	planned := r.Module.Arena.Align > 0
	if !planned {
		for _, e := range b.o.Emit {
			if !drawn(e) {
				return diag.New(diag.Pos{}, diag.BadValue, "-stop-after %s leaves no plan to generate code from", o.StopAfter).WithHelp("pass -emit ir")
			}
		}
	}
	if planned {
		if err := b.certify(messages); err != nil {
			return err
		}
	}
	if err := b.o.Warnings.Err(); err != nil {
		return err // before anything is written
	}
	if err := b.write(); err != nil {
		return err
	}
	if planned {
		report(out, o.Report, b.cert, r)
		if o.Data != "" && !slices.Contains(o.Report, "accuracy") {
			measuredOn(messages, b.cert)
		}
		if err := b.compare(messages); err != nil {
			return err
		}
	}
	if err := b.stats(); err != nil {
		return err
	}
	return b.interrupted()
}

// search compiles the network, with other processes where the options say so.
func (b *build) search(o Options, messages io.Writer) (*Result, error) {
	if o.Sharing.Cluster.URL != "" {
		return b.clustered(o, messages)
	}
	restore, err := o.split()
	if err != nil {
		return nil, err
	}
	defer restore()
	return compile(b.ctx, o, b.out, messages, b.plan)
}

// clustered compiles the network over a cluster, to which it offers the search.
func (b *build) clustered(o Options, messages io.Writer) (*Result, error) {
	if o.Sharing.Store != "" || o.Sharing.Workers > 1 {
		return nil, diag.New(diag.Pos{}, diag.BadValue, "-cluster keeps the answers itself, and its workers are other commands").WithHelp("dnnc worker -cluster %s, here and elsewhere, in place of -store and -workers", cluster.Public(o.Sharing.Cluster.URL))
	}
	x, err := cluster.Connect(b.ctx, o.Sharing.Cluster)
	if err != nil {
		return nil, offline(err)
	}
	defer x.Close()
	say := func(format string, args ...any) { fmt.Fprintf(messages, "-cluster: "+format+"\n", args...) }
	o.Sharing.Answers = &counted{Store: x.Store(b.ctx, say), recheck: o.Sharing.Recheck}
	var end func()
	o.Sharing.Offer = func(words json.RawMessage, blobs map[string][]byte) (err error) {
		if end, err = x.Publish(b.ctx, words, blobs); err != nil {
			return offline(err)
		}
		return nil
	}
	defer func() {
		if end != nil {
			end()
		}
	}()
	return compile(b.ctx, o, b.out, messages, b.plan)
}

// interrupted reports what was left out, after the outputs are written.
func (b *build) interrupted() error {
	if b.cert == nil || len(b.cert.NotMeasured) == 0 {
		return nil
	}
	return diag.New(diag.Pos{}, diag.Interrupted, "the outputs are written; what was not measured: %s", strings.Join(b.cert.NotMeasured, ", ")).
		WithHelp("dnnc eval measures a network; the certificate lists what it lacks")
}

// measure measures until the user wants what there is: then the certificate lists what as
// not measured.
func (b *build) measure(what string, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	if b.o.Soon != nil {
		defer context.AfterFunc(b.o.Soon, cancel)()
	}
	err := ctx.Err()
	if b.o.isEnough() {
		err = context.Canceled
	}
	if err == nil {
		err = do(ctx)
	}
	if errors.Is(err, context.Canceled) && b.ctx.Err() == nil {
		b.cert.NotMeasured = append(b.cert.NotMeasured, what)
		return nil
	}
	return err
}

// build is one build on its way to its files.
type build struct {
	ctx    context.Context
	out    io.Writer
	o      Options
	r      *Result
	prefix string
	cert   *certificate.Certificate
	text   string                   // LLVM IR with all data, once it is needed
	object []byte                   // likewise
	int8   *certificate.Certificate // of the same network in int8, likewise
	tools  *llvm.Tools
	iface  codegen.Interface // with its content

	tensors []File // beside texts
}

// plan names the outputs, once the network has told its name, and reports before the
// long work what none of them may be: an input, another output, or a name that a
// dependency file cannot hold.
func (b *build) plan(m *ir.Module) error {
	if b.prefix == "" {
		b.prefix = m.Name
	}
	files := b.o.Files()
	files.Network(b.o, m)
	main := "-"
	for _, o := range outputs {
		if slices.Contains(b.o.Emit, o.name) {
			main = b.path(o)
			files.Writes("-emit "+o.name, main)
		}
	}
	if b.o.Output != "-" && slices.ContainsFunc(b.o.Emit, linked) {
		if name := filepath.Base(b.base()); IsSystemHeader(name) {
			return diag.New(diag.Pos{}, diag.BadOutput, "the header %s.h would hide <%s.h> of C from sources that look in its folder", b.base(), name).WithHelp("give -o another name")
		}
		files.Writes("the header", b.base()+".h")
		files.Writes("the certificate", b.base()+".json")
		if b.o.Lend {
			files.Writes("the weights", b.base()+".weights")
		}
	}
	if path := b.dependPath(main); path != "" {
		if path != b.o.DependFile {
			files.Writes("-MD", path)
		}
		var inputs []string
		for _, f := range files.list {
			if !f.written {
				inputs = append(inputs, f.path)
			}
		}
		if _, err := dependencies(main, inputs); err != nil {
			return err
		}
	}
	return files.Check()
}

// needsLLVM reports whether an output comes from LLVM's programs.
func (b *build) needsLLVM() bool {
	return slices.ContainsFunc(b.o.Emit, func(e string) bool { return e == "obj" || e == "asm" || e == "lib" })
}

// certify makes the certificate: content hash, sizes, and what was measured.
func (b *build) certify(messages io.Writer) error {
	c := certificate.New(b.r.Module, b.r.Env)
	if b.needsLLVM() {
		tools, err := llvm.Find(b.o.LLVM)
		if err != nil {
			return err
		}
		b.tools, c.LLVM = &tools, tools.Version
	}
	b.cert = c
	var err error
	if b.iface, err = b.r.Interface(c.LLVM); err != nil {
		return err
	}
	c.Content = b.iface.Content
	if c.Recipe, err = b.recipe(); err != nil {
		return err
	}
	Widened(messages, b.r.Env.Widened)
	if err := b.r.kept(b.o, messages); err != nil {
		return err
	}
	Tuned(messages, b.r.Env.Tuned)
	if err := b.measure(certificate.Nearness, func(ctx context.Context) error { return b.fidelity(ctx, messages) }); err != nil {
		return err
	}
	if c.Inputs, err = b.inputs(); err != nil {
		return err
	}
	judged := false
	if b.measures() {
		err := b.r.Judge(b.ctx, b.o, messages)
		switch {
		case isUnclear(err) && b.o.Task == "" && !slices.Contains(b.o.Report, "accuracy"):
			b.r.Warn(notMeasured(err))
		case err != nil:
			return err
		default:
			judged = true
		}
	}
	if judged {
		err := b.measure(certificate.Accuracy, func(ctx context.Context) error {
			s, err := Measure(ctx, b.o, b.r, messages)
			if err != nil {
				return err
			}
			c.Inputs = append(c.Inputs, s.Files...)
			c.Measure(s.Task, s.Data, s.Labels, s.Float, s.Quantized)
			c.Pair(s.Images, s.Float, s.Quantized)
			return b.contradicted(s)
		})
		if err != nil {
			return err
		}
	}
	if err := b.warnOfFlash(); err != nil {
		return err
	}
	c.Warnings = b.r.Warnings
	return nil
}

// fidelity measures how near the integers come to the float network, and says it. Of a dump
// that has its ranges already it takes images that are named.
func (b *build) fidelity(ctx context.Context, messages io.Writer) error {
	var f *measure.Fidelity
	if b.r.Calibrated() || CalibrationData(b.o, b.r.source) != "" {
		var err error
		if f, err = b.r.Fidelity(ctx); err != nil {
			return err
		}
	}
	b.cert.Fidelity = certificate.NewFidelity(f)
	Nearness(messages, b.cert.Fidelity)
	return nil
}

// measures reports whether the build measures what it made: when asked to, and
// after a search for robustness, which takes longer.
func (b *build) measures() bool {
	return TestData(b.o, b.r.Module) != "" &&
		(b.o.Data != "" || slices.Contains(b.o.Report, "accuracy") || b.r.Env.Level == pass.Robust && b.r.Float != nil)
}

// inputs are the files that the build read, the network first.
func (b *build) inputs() ([]certificate.Input, error) {
	var list []certificate.Input
	for _, p := range b.read()[:1+len(b.r.Tensors)] {
		sum, err := hashOf(p)
		if err != nil {
			return nil, err
		}
		list = append(list, certificate.Input{Name: filepath.Base(p), SHA256: sum})
	}
	return append(list, b.r.files...), nil
}

func (b *build) ir() ([]byte, error) {
	d, err := frontend.NewDump(b.r.noted(b.r.Module))
	if err != nil {
		return nil, err
	}
	files := b.o.Files()
	files.Network(b.o, b.r.Module)
	path := filepath.Join(filepath.Dir(b.base()), d.TensorsName)
	if files.reads(path) && d.Holds(path) {
		return d.Text, nil // a dump of a dump, whose tensors lie there already
	}
	files.Writes("the tensors file", path)
	if err := files.Check(); err != nil {
		return nil, err
	}
	b.tensors = append(b.tensors, File{Path: path, Write: d.WriteTensors})
	return d.Text, nil
}

// systemHeaders are the headers of the C library, whose names a network's may not take.
var systemHeaders = strings.Fields(`assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
	stdarg stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn string strings tgmath threads time uchar unistd wchar wctype`)

// IsSystemHeader reports whether a header of a name would hide one of the C library.
func IsSystemHeader(name string) bool { return slices.Contains(systemHeaders, name) }

// linked reports whether a kind of output is something that a program is linked with.
func linked(emit string) bool { return !drawn(emit) && emit != "llvm" }

// drawn reports whether a kind of output needs no plan and no linker: a text or a
// picture of the module.
func drawn(emit string) bool { return emit == "ir" || emit == "dot" || emit == "svg" }

func (b *build) dot() ([]byte, error) { return graph.Dot(b.r.Module), nil }

func (b *build) svg() ([]byte, error) { return graph.SVG(b.r.Module), nil }

func (b *build) llvm() ([]byte, error) {
	if b.text == "" {
		var err error
		if b.text, err = codegen.LLVM(b.r.Module, b.linkage(), b.r.Target); err != nil {
			return nil, err
		}
	}
	return []byte(b.text), nil
}

func (b *build) asm() ([]byte, error) {
	text, err := b.llvm()
	if err != nil {
		return nil, err
	}
	return llvm.Compile(b.ctx, *b.tools, string(text), b.r.Target, "asm")
}

func (b *build) obj() ([]byte, error) {
	if b.object != nil {
		return b.object, nil
	}
	a, err := b.r.Assemble(b.ctx)
	if err != nil {
		return nil, err
	}
	if a.IsWhole {
		b.text = a.IR
	}
	b.object, b.cert.CodeBytes, b.cert.StackBytes = a.Object, a.Code, a.Interface.Stack
	return b.object, nil
}

func (b *build) lib() ([]byte, error) {
	object, err := b.obj()
	if err != nil {
		return nil, err
	}
	return archive(b.prefix, object)
}

func (b *build) c() ([]byte, error) {
	text, err := codegen.C(b.r.Module, b.linkage())
	return []byte(text), err
}

// linkage is what the outputs' C interface is named by.
func (b *build) linkage() codegen.Interface {
	i := b.iface
	i.Stack = b.cert.StackBytes
	return i
}

// base is the path of the outputs without their ending.
func (b *build) base() string {
	if b.o.Output == "" {
		return b.prefix
	}
	return strings.TrimSuffix(b.o.Output, filepath.Ext(b.o.Output))
}

// path is where an output goes: to -o itself when it is the only one.
func (b *build) path(o output) string {
	if b.o.Output != "" && len(b.o.Emit) == 1 {
		return b.o.Output
	}
	if o.name == "cmake" { // find_package(NAME) finds it
		return filepath.Join(filepath.Dir(b.base()), b.prefix+o.ending)
	}
	if o.name == "lib" { // -lNAME finds it
		return filepath.Join(filepath.Dir(b.base()), "lib"+filepath.Base(b.base())+o.ending)
	}
	return b.base() + o.ending
}

// write makes every output, then puts them in place: what can fail has failed
// before the first file changes.
func (b *build) write() error {
	var files []File
	var kinds []string
	isLinked := false
	for _, o := range outputs {
		if !slices.Contains(b.o.Emit, o.name) {
			continue
		}
		content, err := o.write(b)
		if err != nil {
			return err
		}
		files = append(files, File{Path: b.path(o), Content: content})
		kinds = append(kinds, o.name)
		isLinked = isLinked || linked(o.name)
	}
	depend, err := b.depend(files[len(files)-1].Path)
	if err != nil {
		return err
	}
	if b.o.Output == "-" {
		if err := ReplaceAll(append(b.tensors, depend...)...); err != nil {
			return err
		}
		_, err := terminal.Raw(b.out).Write(files[0].Content)
		return err
	}
	files, main := files[:len(files)-1], files[len(files)-1]
	if isLinked {
		header, err := codegen.Header(b.r.Module, b.linkage())
		if err != nil {
			return err
		}
		beside := []File{{Path: b.base() + ".h", Content: []byte(header)}}
		kinds = append(kinds, certificate.Header)
		if b.o.Lend {
			weights, err := codegen.Lent(b.r.Module, b.linkage())
			if err != nil {
				return err
			}
			beside = append(beside, File{Path: b.base() + ".weights", Content: weights})
			kinds = append(kinds, certificate.Weights)
		}
		for i, f := range slices.Concat(files, []File{main}, beside) {
			b.cert.Outputs = append(b.cert.Outputs, certificate.Output{Kind: kinds[i], Name: filepath.Base(f.Path), SHA256: certificate.SHA256(f.Content)})
		}
		text, err := b.cert.JSON()
		if err != nil {
			return err
		}
		beside = append(beside, File{Path: b.base() + ".json", Content: text})
		files = append(beside, files...)
	}
	files = append(append(b.tensors, files...), depend...)
	return ReplaceAll(append(files, main)...) // main last: what it was made from stands already
}

// depend is the dependency file of -MD, beside the output unless -MF names it.
func (b *build) depend(output string) ([]File, error) {
	path := b.dependPath(output)
	if path == "" {
		return nil, nil
	}
	rule, err := dependencies(output, b.read())
	return []File{{Path: path, Content: rule}}, err
}

// dependPath is where the dependency file goes; "" where none is asked for.
func (b *build) dependPath(output string) string {
	if b.o.Depend && b.o.DependFile == "" {
		return strings.TrimSuffix(output, filepath.Ext(output)) + ".d"
	}
	return b.o.DependFile
}

// stats writes what differs between equal builds: times.
func (b *build) stats() error {
	if b.o.Stats == "" {
		return nil
	}
	seconds := map[string]float64{}
	for _, p := range b.r.Passes {
		seconds[p.Pass] = p.Took.Seconds()
	}
	text, err := json.MarshalIndent(map[string]any{"pass_seconds": seconds}, "", "  ")
	if err != nil {
		return err
	}
	return Replace(b.o.Stats, append(text, '\n'))
}

// CheckOutput reports, before long work, a file that could not be written after
// it: in no folder, or of an ending that names no format of a flag's.
func CheckOutput(flag, path string, endings ...string) error {
	if !slices.Contains(endings, filepath.Ext(path)) {
		return diag.New(diag.Pos{}, diag.BadValue, "-%s %s: its ending is none of %s", flag, path, strings.Join(endings, " "))
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return badOutput("-"+flag+" ", path, err)
	}
	return nil
}

// Replace writes a file under a temporary name and renames it: others see the
// old file or the new one.
func Replace(path string, content []byte) error {
	return ReplaceAll(File{Path: path, Content: content})
}

// File is a file to be written.
type File struct {
	Path    string
	Content []byte
	Write   func(w io.Writer) error // nil: the content
}

// ReplaceAll is Replace of several files, in their order: none changes unless all
// found room.
func ReplaceAll(files ...File) error {
	staged := make([]*replace.Staged, len(files))
	for i, f := range files {
		write := f.Write
		if write == nil {
			write = func(w io.Writer) error {
				_, err := w.Write(f.Content)
				return err
			}
		}
		s, err := replace.Stage(f.Path, write)
		if err != nil {
			return badOutput("", f.Path, err)
		}
		defer s.Discard() // unless it is committed
		staged[i] = s
	}
	for i, s := range staged {
		if err := s.Commit(); err != nil {
			return badOutput("", files[i].Path, err)
		}
	}
	return nil
}

// badOutput is the diagnostic of an output that cannot be written; role precedes its path.
func badOutput(role, path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the path is named already
	}
	d := diag.New(diag.Pos{}, diag.BadOutput, "%s%s: %v", role, path, err)
	if errors.Is(err, fs.ErrNotExist) {
		return d.WithHelp("make the folder %s first", filepath.Dir(path))
	}
	return d
}

// writeTensors writes the tensors file of a dump, unless it lies there already.
func writeTensors(path string, d *frontend.Dump) error {
	if d.Holds(path) {
		return nil
	}
	return ReplaceWith(path, d.WriteTensors)
}

// ReplaceWith is Replace with a function that writes the content.
func ReplaceWith(path string, write func(w io.Writer) error) error {
	if err := replace.With(path, write); err != nil {
		return badOutput("", path, err)
	}
	return nil
}
