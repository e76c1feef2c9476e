package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/codegen"
	"github.com/dnnc/dnnc/codegen/llvm"
	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/passes/pass"
	"github.com/dnnc/dnnc/runtime/certificate"
	"github.com/dnnc/dnnc/runtime/disturb"
	"github.com/dnnc/dnnc/runtime/input"
)

// recipe is what it takes to build the same again, without a search: paths from the
// folder of the certificate, and every flag that decides about bytes beside the formats
// of the layers, which stand in the certificate themselves.
func (b *build) recipe() (*certificate.Recipe, error) {
	o := b.o
	folder := filepath.Dir(b.base())
	r := &certificate.Recipe{
		CPU: o.CPU, Attr: o.Attr, Level: o.Level, Small: o.Small, Threads: o.Threads, Stream: o.Stream, Rows: o.Rows, Rounding: o.Rounding, Activations: o.Activations, Task: o.Task, Errors: o.Errors,
		Images: o.Images, RAM: o.Budget.RAM, RAMFree: o.Budget.FreeRAM, Given: o.Budget.IsGiven(), StartAfter: o.StartAfter, StopAfter: o.StopAfter, Exact: o.exact(),
		Prefix: o.Prefix, Hooks: o.Hooks, Lend: o.Lend, Section: o.Section, AllowOutside: o.AllowOutside, Shapes: o.Shapes,
		DataInputs: o.Sets.Inputs, DataLabels: o.Sets.Labels, Resize: o.Sets.Resize,
		Signature: o.Signature, Kernels: o.Kernels, Outputs: o.Outputs,
	}
	if t := b.r.Env.Tuned; t != nil && t.Declined == "" { // an effort by its name may be a part of the search's
		r.Tune, r.Augment = strconv.FormatFloat(t.Budget, 'g', -1, 64), o.Tune.Augment
		if t.IsStopped {
			r.TuneSteps = t.Steps
		}
	}
	if r.Errors == disturb.Default { // which another version may choose otherwise
		r.Errors = disturb.Defaults(b.r.source.Inputs[0].Holds().Kind)
	}
	for _, name := range sortedKeys(o.Ranges) {
		r.Ranges = append(r.Ranges, certificate.InputRange{Input: name, Low: o.Ranges[name].Lo, High: o.Ranges[name].Hi})
	}
	for _, name := range sortedKeys(o.Contents) {
		r.Kinds = append(r.Kinds, certificate.InputKind{Input: name, Holds: o.Contents[name].String()})
	}
	for _, p := range []struct {
		into *string
		path string
	}{{&r.Source, o.Input}, {&r.Calibration, CalibrationData(o, b.r.source)}, {&r.Data, TestData(o, b.r.source)}} {
		if p.path == "" {
			continue
		}
		from, err := filepath.Abs(folder)
		if err != nil {
			return nil, badOutput("", folder, err)
		}
		to, err := filepath.Abs(p.path)
		if err != nil {
			return nil, badOutput("", p.path, err)
		}
		rel, err := filepath.Rel(from, to)
		if err != nil {
			return nil, badOutput("", p.path, err)
		}
		*p.into = filepath.ToSlash(rel)
	}
	return r, nil
}

func sortedKeys[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// IsShipped reports whether a file is an output of a build, by its name: none that
// verify would compile.
func IsShipped(path string) bool {
	ending := strings.ToLower(filepath.Ext(path))
	return ending != "" && slices.ContainsFunc(outputs, func(o output) bool { return !drawn(o.name) && filepath.Ext(o.ending) == ending })
}

// Rebuilt is a build done again by its certificate.
type Rebuilt struct {
	Options Options
	Result  *Result
	Source  string     // path of what it was built from: the network, or the dump beside the outputs
	Network *ir.Module // the network before any pass; nil where the dump alone is there
	b       *build
}

// Rebuild compiles what a certificate describes, with the formats that it records: no
// search runs. The dump of the planned module is taken where it lies beside the
// certificate and is the one that it records, else the network. Another network, other
// images or another content is a failed check.
func Rebuild(ctx context.Context, path string, c *certificate.Certificate, o Options, messages io.Writer) (*Rebuilt, error) {
	folder, q := filepath.Dir(path), c.Recipe
	at := func(p string) string {
		if p == "" {
			return ""
		}
		return filepath.Join(folder, filepath.FromSlash(p))
	}
	again := Defaults()
	again.Input, again.Calib, again.Data = at(q.Source), at(q.Calibration), at(q.Data)
	again.Target, again.CPU, again.Attr, again.LLVM = c.Target, q.CPU, q.Attr, c.LLVM
	again.Level, again.Small, again.Rounding, again.Activations, again.Task, again.Errors = q.Level, q.Small, q.Rounding, q.Activations, q.Task, q.Errors
	again.Threads, again.Stream, again.Rows = q.Threads, q.Stream, q.Rows
	again.Images, again.Budget, again.Seed = q.Images, pass.Budget{RAM: q.RAM, FreeRAM: q.RAMFree, Given: q.Given}, c.Seed
	again.StartAfter, again.StopAfter, again.Exact = q.StartAfter, q.StopAfter, fmt.Sprint(q.Exact)
	again.Prefix, again.Hooks, again.Lend, again.Section = q.Prefix, q.Hooks, q.Lend, q.Section
	again.AllowOutside = o.AllowOutside // which the user grants, never a file
	again.Tune = pass.Tune{Effort: q.Tune, Augment: q.Augment, Steps: q.TuneSteps}
	again.Sets = dataset.Options{Inputs: q.DataInputs, Labels: q.DataLabels, Resize: q.Resize}
	again.Shapes, again.Ranges, again.Signature, again.Kernels = q.Shapes, map[string]ir.Range{}, q.Signature, q.Kernels
	again.Outputs = q.Outputs
	for _, r := range q.Ranges {
		again.Ranges[r.Input] = ir.Range{Lo: r.Low, Hi: r.High}
	}
	for _, k := range q.Kinds {
		content, _, err := ir.ParseContent(k.Holds)
		if err != nil {
			return nil, diag.New(diag.Pos{File: path}, diag.BadFile, "the kind of the input %s: %v", k.Input, err)
		}
		if again.Contents == nil {
			again.Contents = map[string]ir.Content{}
		}
		again.Contents[k.Input] = content
	}
	again.Chosen, again.Judged, again.TestImages, again.Memory = c.Layers, true, o.TestImages, o.Memory
	if k := c.Search.Kept; k != nil {
		again.JudgedBy, again.Budget.Promised, again.Budget.Keep = k.JudgedBy, k.Promised, k.Share
	}
	again.Warnings = o.Warnings
	if o.Network != "" {
		again.Input = o.Network
	}
	isDump, source := false, Options{}
	if d := c.Output("ir"); d != nil && o.Network == "" && q.StopAfter == "" && q.StartAfter == "" {
		if raw, err := ReadShipped(at(d.Name)); err == nil && certificate.SHA256(raw) == d.SHA256 {
			isDump = true
			source = again
			again.Input, again.Chosen, again.Level, again.Calib = at(d.Name), nil, string(pass.Int8), ""
			again.JudgedBy, again.Budget.Promised, again.Budget.Keep, again.Tune = 0, false, 0, pass.Tune{}
			// Of the model, which the dump has.
			again.Shapes, again.Ranges, again.Signature, again.Kernels, again.Outputs = nil, nil, "", "", nil
			again.Contents = nil
		}
	}
	if o.Data != "" {
		again.Data = o.Data
	}
	if !isDump {
		if err := unchanged(c, again.Input); err != nil {
			return nil, err
		}
	}
	r, err := Compile(ctx, again, io.Discard, messages)
	if err != nil {
		return nil, err
	}
	float := r.source
	if isDump {
		if float, err = sourceOf(c, source); err != nil {
			return nil, err
		}
	}
	b := &build{ctx: ctx, o: again, r: r, out: io.Discard, prefix: r.Config.Interface(r.Module).Prefix, cert: certificate.New(r.Module, r.Env)}
	if !isDump {
		inputs, err := b.inputs()
		if err != nil {
			return nil, err
		}
		for _, in := range inputs {
			if err := sameInput(c, in); err != nil {
				return nil, err
			}
		}
	}
	if c.LLVM != "" {
		tools, err := llvm.Find(c.LLVM)
		if err != nil {
			return nil, err
		}
		b.tools, b.cert.LLVM = &tools, tools.Version
	}
	r.Config.LLVM = c.LLVM
	if b.iface, err = r.Interface(c.LLVM); err != nil {
		return nil, err
	}
	b.cert.Content = b.iface.Content
	if b.cert.Content != c.Content {
		return nil, diag.New(diag.Pos{File: path}, diag.CheckFailed, "what %s makes has the content %.12s, the certificate says %.12s", filepath.Base(again.Input), b.cert.Content, c.Content).
			WithNote("another version of dnnc, or a certificate that was changed")
	}
	return &Rebuilt{again, r, again.Input, float, b}, nil
}

// sourceOf is the network from which a dump was made, where it lies where the certificate
// says, and it and its tensors are those that it records; nil where there is none.
func sourceOf(c *certificate.Certificate, o Options) (*ir.Module, error) {
	if _, err := os.Stat(o.Input); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err := unchanged(c, o.Input); err != nil {
		return nil, err
	}
	m, err := Load(o)
	if err != nil {
		return nil, err
	}
	for _, t := range m.Tensors {
		path := besideOf(o.Input, t.Path)
		sum, err := hashOf(path)
		if err != nil {
			return nil, err
		}
		if err := sameInput(c, certificate.Input{Name: filepath.Base(path), SHA256: sum}); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Output is the bytes of an output, by its kind; header is one, and so are lent weights.
// CodeBytes and StackBytes of the certificate come with the object.
func (r *Rebuilt) Output(kind string) ([]byte, error) {
	b := r.b
	if b.cert.LLVM != "" { // the header knows the stack
		if _, err := b.obj(); err != nil {
			return nil, err
		}
	}
	switch kind {
	case certificate.Header:
		text, err := codegen.Header(b.r.Module, b.linkage())
		return []byte(text), err
	case certificate.Weights:
		return codegen.Lent(b.r.Module, b.linkage())
	}
	i := slices.IndexFunc(outputs, func(o output) bool { return o.name == kind })
	if i < 0 || kind == "cmake" || kind == "pc" {
		return nil, diag.New(diag.Pos{}, diag.Unsupported, "an output of the kind %s is not made again", kind)
	}
	return outputs[i].write(b)
}

// Sizes reports a figure of a certificate, of the network or of a layer, that the build does not have.
func (r *Rebuilt) Sizes(c *certificate.Certificate) error {
	own := r.b.cert
	for _, f := range []struct {
		name       string
		says, made any
	}{
		{"network", c.Network, own.Network}, {"weight_bytes", c.WeightBytes, own.WeightBytes}, {"constant_bytes", c.OtherBytes, own.OtherBytes},
		{"average_bits", c.AverageBits, own.AverageBits}, {"arena_bytes", c.ArenaBytes, own.ArenaBytes}, {"number of layers", len(c.Layers), len(own.Layers)},
		{"code_bytes", c.CodeBytes, own.CodeBytes}, {"stack_bytes", c.StackBytes, own.StackBytes},
	} {
		if f.says != f.made {
			return diag.New(diag.Pos{}, diag.CheckFailed, "the certificate says %s %v, the build has %v", f.name, f.says, f.made)
		}
	}
	for i, l := range c.Layers {
		made := own.Layers[i]
		made.Cost, made.Choices = l.Cost, l.Choices // a search is not done again
		if !reflect.DeepEqual(l, made) {
			l.Choices, made.Choices = nil, nil
			return diag.New(diag.Pos{}, diag.CheckFailed, "the certificate says layer %s, the build has %s", quote.Line(fmt.Sprintf("%+v", l)), quote.Line(fmt.Sprintf("%+v", made)))
		}
	}
	return nil
}

// unchanged holds a file to the hash of the network that a certificate records first.
func unchanged(c *certificate.Certificate, path string) error {
	sum, err := hashOf(path)
	var d *diag.Diagnostic
	if errors.As(err, &d) {
		return d.WithNote("the certificate says that the network is there").WithHelp("-network FILE says where it is now")
	}
	if len(c.Inputs) == 0 || c.Inputs[0].SHA256 != sum {
		return diag.New(diag.Pos{File: path}, diag.CheckFailed, "not the network that the certificate was made from: its sha256 is %.12s", sum)
	}
	return nil
}

// mostShipped bounds the bytes of an output that is read as a whole.
const mostShipped = 4 << 30

// ReadShipped reads an output of a build.
func ReadShipped(path string) ([]byte, error) {
	raw, err := input.Read(path, mostShipped)
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	return raw, nil
}

// hashOf is the hash of a file's content, as certificates record it.
func hashOf(path string) (string, error) {
	f, err := input.Open(path)
	if err != nil {
		return "", diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", diag.New(diag.Pos{}, diag.BadFile, "%v", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sameInput holds a file that was read to what a certificate records.
func sameInput(c *certificate.Certificate, in certificate.Input) error {
	known := false
	for _, i := range c.Inputs {
		if i.Name == in.Name {
			known = true
			if i.SHA256 == in.SHA256 {
				return nil
			}
		}
	}
	if known {
		return diag.New(diag.Pos{File: in.Name}, diag.CheckFailed, "changed since the build: its sha256 is %.12s now", in.SHA256)
	}
	return diag.New(diag.Pos{File: in.Name}, diag.CheckFailed, "the build did not read it")
}

// FirstDifference is the first byte in which two contents differ.
func FirstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
