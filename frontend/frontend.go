// Package frontend turns the text of a network into a module: it resolves
// names, operations, attributes and types, and refers to weights by their keys.
// Every dump is such a text too.
package frontend

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/frontend/dataset"
	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/frontend/weights"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/runtime/input"
)

// Options are what a user may change about loading.
type Options struct {
	// AllowOutside lets a text refer to files outside its own folder.
	AllowOutside bool
}

// Load reads the network at path and opens its tensors files.
func Load(path string, opt Options) (*ir.Module, error) {
	src, err := ReadSource(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, src, opt)
}

// ReadSource reads the text of a network.
func ReadSource(path string) ([]byte, error) {
	src, err := input.Read(path, syntax.MaxBytes)
	switch {
	case errors.Is(err, input.ErrLarge):
		return nil, diag.New(diag.Pos{File: path, Line: 1, Col: 1}, diag.Limit, "%v", reason(err)).WithHelp("weights belong into a tensors file")
	case err != nil:
		return nil, diag.New(diag.Pos{File: path}, diag.BadFile, "%v", reason(err))
	}
	return src, nil
}

// reason is an error of the file system without the path, which the position
// tells already.
func reason(err error) error {
	if p, ok := err.(*fs.PathError); ok {
		return p.Err
	}
	return err
}

// Parse resolves a source; file names it in diagnostics, and its folder is what
// paths are relative to.
func Parse(file string, src []byte, opt Options) (*ir.Module, error) {
	stmts, list := syntax.Parse(file, src)
	r := &resolver{
		m: &ir.Module{}, file: file, dir: filepath.Dir(file), opt: opt, list: list,
		values: map[string]*ir.Value{}, consts: map[string]*ir.Const{}, later: map[string]bool{}, lostConsts: map[string]bool{},
	}
	r.resolve(stmts)
	if err := r.list.Err(); err != nil {
		return nil, err
	}
	if r.m.After != "" {
		if list := ir.Verify(r.m); len(list) > 0 {
			return nil, list
		}
	}
	return r.m, nil
}

type resolver struct {
	m      *ir.Module
	file   string
	dir    string
	opt    Options
	list   diag.List
	files  []*weights.File
	named  bool // the network names a tensors file, whether or not it could be read
	values map[string]*ir.Value
	consts map[string]*ir.Const
	later  map[string]bool // names defined anywhere, to tell cycles from typos
	temps  map[string]int
	ended  bool
	opened bool

	// What a statement that is at fault would have defined: uses of it are not reported too.
	lostInputs  bool            // any value
	lostTensors bool            // any tensor
	lostConsts  map[string]bool // constants
	silent      int             // uses that were not reported
}

// faults counts what is at fault so far, reported or not.
func (r *resolver) faults() int { return len(r.list) + r.silent }

func (r *resolver) resolve(stmts []syntax.Stmt) {
	r.temps = map[string]int{}
	r.lostInputs = true
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.Assign:
			r.later[s.Name] = true
		case *syntax.State:
			r.later[s.Name] = true
		case *syntax.Network:
			r.lostInputs = false
		}
	}
	for _, s := range stmts {
		r.statement(s)
	}
	switch {
	case len(r.list) > 0: // the rest would be a consequence
	case !r.opened:
		r.list = append(r.list, syntax.NoNetwork(r.file))
	case !r.ended:
		r.list.Add(r.m.Pos, diag.Syntax, "the network is not closed with }")
	case len(r.m.Outputs) == 0:
		r.list.Add(r.m.Pos, diag.Syntax, "the network returns nothing").WithHelp("end it with: return name")
	}
}

// calibrated is the hash of the images that a dump has its ranges from.
func (r *resolver) calibrated(pos diag.Pos, hash string) {
	if raw, err := hex.DecodeString(hash); err != nil || len(raw) != sha256.Size {
		r.list.Add(pos, diag.BadValue, "data calibrated %q: the sha256 of the images, 64 hex digits", hash).
			WithHelp("dumps have it; a source names its images: data calibration \"FILE\"")
		return
	}
	r.m.Calibrated = hash
}

func (r *resolver) statement(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.Header:
		r.m.After, r.m.Target = s.After, strings.Trim(s.Target, `"`)
		if s.Version != "1" {
			r.list.Add(syntax.At(s.Pos), diag.BadValue, "version %s of the language; this dnnc reads version 1", s.Version)
		}
	case *syntax.Tensors:
		r.tensors(s)
	case *syntax.Data:
		for _, d := range s.Sets {
			path := syntax.Unquote(d.Path)
			if d.Role == "calibrated" {
				r.calibrated(syntax.At(d.Pos), path)
				continue
			}
			r.dataInside(syntax.At(d.Pos), path)
			if d.Role == "test" {
				r.m.Test = path
			} else {
				r.m.Calib = path
			}
		}
	case *syntax.Network:
		r.network(s)
	case *syntax.Arena:
		r.arena(s)
	case *syntax.Stream:
		r.stream(s)
	case *syntax.State:
		r.state(s)
	case *syntax.Const:
		r.constant(s)
	case *syntax.Assign:
		r.assign(s)
	case *syntax.Return:
		for _, n := range s.Names {
			pos, name := syntax.At(n.Pos), n.Name
			v := r.use(pos, name)
			if v == nil || poisoned(v) {
				r.m.Outputs = append(r.m.Outputs, v)
				continue
			}
			if v.Def == nil || slices.Contains(r.m.Outputs, v) {
				r.list.Add(pos, diag.Unsupported, "%s is returned as it came in, or twice", name).
					WithHelp("return the result of an operation, each one once")
			}
			r.m.Outputs = append(r.m.Outputs, v)
		}
	case *syntax.End:
		r.ended = true
	case *syntax.Broken:
		r.broken(s)
	}
}

// broken remembers what a statement with a syntax error would have defined.
func (r *resolver) broken(s *syntax.Broken) {
	switch s.Keyword {
	case "network":
		r.lostInputs = true
	case "tensors":
		r.lostTensors = true
	case "const":
		r.lostConsts[s.Name] = true
	case "":
		if r.values[s.Name] == nil {
			r.values[s.Name] = &ir.Value{Name: s.Name} // poison
		}
	}
}

// inside reports a path that leaves the folder of the text.
func (r *resolver) inside(pos diag.Pos, path string) bool {
	if r.opt.AllowOutside {
		return true
	}
	if _, err := input.Inside(r.dir, path); err != nil {
		r.list.Add(pos, diag.BadPath, "%q %v of the network", path, err).
			WithHelp("move the file beside the network, or pass -allow-outside")
		return false
	}
	return true
}

// dataInside is inside of a data set: its files, its labels and its pictures.
func (r *resolver) dataInside(pos diag.Pos, path string) {
	if !r.inside(pos, path) || r.opt.AllowOutside {
		return
	}
	for _, p := range dataset.Paths(r.path(path))[1:] {
		if rel, err := filepath.Rel(r.dir, p); err == nil && !r.inside(pos, rel) {
			return
		}
	}
}

func (r *resolver) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(r.dir, p)
}

func (r *resolver) tensors(s *syntax.Tensors) {
	pos, path := syntax.At(s.Pos), syntax.Unquote(s.Path)
	r.named = true
	errors := len(r.list)
	defer func() { r.lostTensors = r.lostTensors || len(r.list) > errors }()
	if !r.inside(pos, path) {
		return
	}
	t := ir.TensorsFile{Path: path, SHA256: syntax.Unquote(s.SHA256), Pos: pos}
	r.m.Tensors = append(r.m.Tensors, t)
	full := r.path(path)
	if !r.opt.AllowOutside {
		full, _ = input.Inside(r.dir, path) // with links resolved, as it was checked
	}
	f, err := weights.Open(full)
	if err != nil {
		r.list.Add(pos, diag.BadFile, "%s: %v", path, reason(err))
		return
	}
	if t.SHA256 != "" && t.SHA256 != f.SHA256() {
		r.list.Add(pos, diag.BadFile, "%s is not the file that this text was written with", path).
			WithNote("its sha256 is %s", f.SHA256())
		return
	}
	r.files = append(r.files, f)
}

func (r *resolver) network(s *syntax.Network) {
	r.opened = true
	r.m.Name, r.m.Pos = s.Name, syntax.At(s.Pos)
	if len(s.Inputs) == 0 {
		r.list.Add(r.m.Pos, diag.BadArity, "the network %s has no input", s.Name)
	}
	for _, p := range s.Inputs {
		v := &ir.Value{Name: p.Name, Pos: syntax.At(p.Pos)}
		r.suffixed(v, p.Type)
		r.define(v)
		if v.Type.Elem.Kind == ir.F32 && v.Range == nil {
			r.list.Add(v.Pos, diag.MissingAttr, "the input %s has no range", v.Name).
				WithHelp("write it after the type: %s in [0,1]", v.Type)
		}
		if d := ir.CheckActivation(v.Pos, "the input "+v.Name, v.Type.Shape); d != nil && v.Type.Shape != nil {
			r.list = append(r.list, d)
			v.Type = ir.Type{} // what uses it is not reported, too
		}
		r.content(v, p.Words)
		r.m.Inputs = append(r.m.Inputs, v)
	}
	isSaid := false
	for _, t := range s.Results {
		typ, _ := r.typ(t.Type)
		r.m.Results = append(r.m.Results, typ)
		r.m.Tasks = append(r.m.Tasks, r.task(t, typ))
		isSaid = isSaid || len(t.Words) > 0
	}
	if !isSaid {
		r.m.Tasks = nil
	}
}

// content resolves what is said of what an input holds.
func (r *resolver) content(v *ir.Value, words []*syntax.Word) {
	v.Content.Axis = ir.NoAxis
	if len(words) == 0 || !r.attributes(words, "kind", v.Content.Set) {
		return
	}
	pos := syntax.At(words[0].Pos)
	if v.Content.Kind == "" {
		r.list.Add(pos, diag.BadValue, "the input %s has no kind, only %s", v.Name, words[0].Key).
			WithHelp("write what it holds: %s signal axis: 0", v.Type)
	} else if err := v.Content.Check(v.Type.Shape); err != nil && v.Type.Shape != nil {
		r.list.Add(pos, diag.BadValue, "%s: %v", v.Name, err)
	}
}

// attributes gives words to set; one without a key is that of the key short. It reports
// whether set took them all.
func (r *resolver) attributes(words []*syntax.Word, short string, set func(key, value string) ([]string, error)) bool {
	seen := map[string]bool{}
	for _, w := range words {
		key, value := w.Key, w.Value
		if value == "" {
			key, value = short, w.Key
		}
		if seen[key] {
			r.list.Add(syntax.At(w.Pos), diag.BadValue, "%s stands twice", key)
			return false
		}
		seen[key] = true
		if right, err := set(key, value); err != nil {
			r.list.Add(syntax.At(w.Pos), diag.BadValue, "%v", err).WithSuggestion(cmp.Or(w.Value, w.Key), right)
			return false
		}
	}
	return true
}

// task resolves what is said of the meaning of a result.
func (r *resolver) task(s *syntax.Result, typ ir.Type) ir.Task {
	t := ir.Task{Axis: ir.NoAxis}
	if !r.attributes(s.Words, "task", t.Set) {
		return t
	}
	switch {
	case len(s.Words) == 0:
	case t.Name == "" && (t.Axis != ir.NoAxis || t.Weight != 0):
		r.list.Add(syntax.At(s.Words[0].Pos), diag.BadValue, "the result has no task, only %s", s.Words[0].Key).
			WithHelp("write what it means: %s classes", typ)
	case t.CheckAxis() != nil:
		r.list.Add(syntax.At(s.Words[0].Pos), diag.BadValue, "%v", t.CheckAxis())
	case t.Axis >= len(typ.Shape) && typ.Shape != nil:
		r.list.Add(syntax.At(s.Words[0].Pos), diag.BadValue, "axis %d of a result of %s", t.Axis, typ.Shape)
	}
	return t
}

func (r *resolver) define(v *ir.Value) {
	if r.values[v.Name] != nil {
		r.list.Add(v.Pos, diag.Redefined, "%s is defined twice", v.Name).
			WithNote("first at %s", r.values[v.Name].Pos)
		return
	}
	r.values[v.Name] = v
}

// typ resolves an element type and shape.
func (r *resolver) typ(t *syntax.Type) (ir.Type, bool) {
	pos := syntax.At(t.Pos)
	e, ok := ir.ParseElem(t.Elem)
	if !ok {
		r.badElem(pos, t.Elem)
		return ir.Type{}, false
	}
	shape := make(ir.Shape, len(t.Dims))
	for i, d := range t.Dims {
		n, isInt := syntax.Int(d)
		if !isInt || n < 1 {
			r.list.Add(pos, diag.BadShape, "the dimension %s is no positive integer", d)
			return ir.Type{}, false
		}
		shape[i] = n
	}
	if shape.Size() < 0 {
		r.list.Add(pos, diag.BadShape, "%s%s has more than %d elements", t.Elem, shape, ir.MaxElements)
		return ir.Type{}, false
	}
	return ir.Type{Elem: e, Shape: shape}, true
}

func (r *resolver) badElem(pos diag.Pos, name string) {
	if base := strings.TrimRight(name, "0123456789"); (base == "odd" || base == "code") && base != name {
		r.list.Add(pos, diag.BadWidth, "no format %s: codes have 1 to %d bits", name, ir.MaxCodeBits)
		return
	}
	r.list.Add(pos, diag.BadType, "no element type %q", name).WithSuggestion(name, ir.ElemNames())
}

// suffixed resolves a type with its range, scale, zero point and place.
func (r *resolver) suffixed(v *ir.Value, t *syntax.Type) {
	v.Type, _ = r.typ(t)
	for _, s := range t.Suffixes {
		pos := syntax.At(s.Pos)
		switch {
		case s.Range != nil:
			lo, _ := syntax.Float(s.Range[0])
			hi, _ := syntax.Float(s.Range[1])
			v.Range = &ir.Range{Lo: lo, Hi: hi}
			if !v.Range.IsValid() {
				r.list.Add(pos, diag.BadValue, "the range [%s,%s] is empty or not finite", s.Range[0], s.Range[1])
			}
		case s.As != "":
			if e, ok := ir.ParseElem(s.As); !ok || e.Kind != ir.I16 || v.Type.Elem.Kind != ir.F32 {
				r.list.Add(pos, diag.BadType, "as %s: quantization gives values of f32 8 bits, or 16 where the text says as i16", s.As)
			}
			v.Wide = true
		case s.Scale != "":
			f, ok := syntax.Float(s.Scale)
			if !ok || !(f > 0) {
				r.list.Add(pos, diag.BadValue, "the scale %s is no positive number", s.Scale)
			}
			v.Type.Quant.Scale = f
		case s.Zero != "":
			z, ok := syntax.Int(s.Zero)
			if !ok || z < -128 || z > 127 {
				r.list.Add(pos, diag.BadValue, "the zero point %s is no integer from -128 to 127", s.Zero)
			}
			v.Type.Quant.Zero = z
		case s.Start != "":
			n, ok := syntax.Int(s.Start)
			if !ok || !slices.Contains(r.m.States, v) {
				r.list.Add(pos, diag.BadValue, "start %s: a state has an integer that its elements start with", s.Start)
			}
			v.Start = n
		case s.At == "input":
			v.At = ir.Place{Kind: ir.InInput}
		case s.At == "output":
			v.At = ir.Place{Kind: ir.InOutput}
		case s.At == "rows":
			v.At = ir.Place{Kind: ir.InRows}
		default:
			n, ok := syntax.Int(s.At)
			if !ok || n < 0 {
				r.list.Add(pos, diag.BadValue, "the place %s is neither input, output, rows nor an offset", s.At)
			}
			v.At = ir.Place{Kind: ir.InArena, Offset: n}
		}
	}
}

// stream resolves how a network over time runs.
func (r *resolver) stream(s *syntax.Stream) {
	pos := syntax.At(s.Pos)
	number := func(what, text string, least int) int {
		n, ok := syntax.Int(text)
		if !ok || n < least || n > ir.MaxActivation {
			r.list.Add(pos, diag.BadValue, "%s %s: a whole number from %d to %d", what, text, least, ir.MaxActivation)
		}
		return n
	}
	if r.m.Streams() {
		r.list.Add(pos, diag.Redefined, "stream stands twice")
		return
	}
	r.m.Stream = ir.Stream{Hop: number("hop", s.Hop, 1)}
	for _, d := range s.Delays {
		r.m.Stream.Delays = append(r.m.Stream.Delays, number("delay", d, 0))
	}
	for _, d := range s.Warmups {
		r.m.Stream.Warmups = append(r.m.Stream.Warmups, number("warmup", d, 0))
	}
	r.m.Stream.Windows = make([]int, len(s.Warmups))
	if len(s.Windows) > 0 {
		r.m.Stream.Windows = nil
	}
	for _, d := range s.Windows {
		r.m.Stream.Windows = append(r.m.Stream.Windows, number("window", d, 0))
	}
}

// state resolves a state, which dumps of streamed networks have.
func (r *resolver) state(s *syntax.State) {
	v := &ir.Value{Name: s.Name, Pos: syntax.At(s.Pos)}
	v.Content.Axis = ir.NoAxis
	r.m.States = append(r.m.States, v)
	r.suffixed(v, s.Type)
	if r.m.After == "" {
		r.list.Add(v.Pos, diag.Unsupported, "the state %s in a source: dnnc -stream makes states of a whole network", v.Name).
			WithHelp("write the network over all its frames, and compile it with -stream")
	}
	r.define(v)
}

// constant resolves a declaration: its data lie in a tensors file.
func (r *resolver) constant(s *syntax.Const) {
	pos := syntax.At(s.Pos)
	defer func() { r.lostConsts[s.Name] = r.consts[s.Name] == nil }()
	t, ok := r.typ(s.Type)
	if !ok {
		return
	}
	c := r.fromFile(pos, s.Name, t)
	if c == nil {
		return
	}
	for _, x := range s.Type.Suffixes {
		switch {
		case x.Scale == "":
			r.list.Add(syntax.At(x.Pos), diag.Syntax, "a constant has no suffix but scale")
		case len(t.Shape) == 0:
			r.list.Add(syntax.At(x.Pos), diag.BadShape, "a scale goes with rows, %s is one number", s.Name)
		case r.consts[x.Scale] != nil:
			c.Scale = r.consts[x.Scale]
		default:
			// Constants may name scales that are declared below them.
			scale := r.fromFile(syntax.At(x.Pos), x.Scale, ir.Type{Elem: ir.Of(ir.F32), Shape: t.Shape[:1]})
			if scale == nil {
				return
			}
			r.consts[scale.Name], c.Scale = scale, scale
		}
	}
	if old := r.consts[c.Name]; old != nil {
		if slices.Contains(r.m.Consts, old) {
			r.list.Add(pos, diag.Redefined, "constant %s is declared twice", c.Name)
			return
		}
		c = old // declared as a scale above
	}
	r.consts[c.Name] = c
	r.m.Consts = append(r.m.Consts, c)
}

// find looks a tensor up in the tensors files.
func (r *resolver) find(key string) (weights.Tensor, bool) {
	for _, f := range r.files {
		if t, ok := f.Tensor(key); ok {
			return t, true
		}
	}
	return weights.Tensor{}, false
}

// stored is the safetensors type in which constants of an element type lie.
func stored(e ir.Elem) weights.DType {
	switch e.Kind {
	case ir.F32:
		return weights.F32
	case ir.I8:
		return weights.I8
	case ir.I16:
		return weights.I16
	case ir.I32:
		return weights.I32
	case ir.I64:
		return weights.I64
	}
	return weights.U8
}

// fromFile makes a constant of the tensor of its name.
func (r *resolver) fromFile(pos diag.Pos, key string, t ir.Type) *ir.Const {
	tensor, ok := r.find(key)
	if !ok && r.lostTensors {
		r.silent++
		return nil
	}
	if !ok {
		d := r.list.Add(pos, diag.MissingTensor, "no tensor %q", key)
		known := r.suggest(d, key, func() (known []string) {
			for _, f := range r.files {
				known = append(known, f.Names()...)
			}
			return known
		})
		switch {
		case len(r.files) == 0:
			d.WithNote("the network names no tensors file that could be read")
			if !r.named {
				d.WithHelp("write: tensors \"weights.safetensors\"")
			}
		case d.Help == "" && len(known) > 0:
			listed := known[:min(len(known), manyNames)]
			d.WithNote("the tensors files have %s", strings.Join(listed, " "))
			if more := len(known) - len(listed); more > 0 {
				d.Note += fmt.Sprintf(" and %d others", more)
			}
		}
		return nil
	}
	c := &ir.Const{Name: key, Type: t, Pos: pos}
	if t.Elem.Kind != ir.F32 {
		if tensor.DType != stored(t.Elem) || len(tensor.Data) != c.StoredBytes() {
			r.list.Add(pos, diag.BadTensor, "tensor %s is %s%v, not %s", key, tensor.DType, tensor.Shape, t)
			return nil
		}
		if t.Elem.IsPacked() {
			for _, q := range tensor.Data {
				if int(q) >= 1<<t.Elem.Bits {
					r.list.Add(pos, diag.BadTensor, "tensor %s holds the code %d, which %s does not have", key, q, t.Elem)
					return nil
				}
			}
		}
		c.Data = ir.Bytes(tensor.Data)
		return c
	}
	if !ir.Shape(tensor.Shape).Equal(t.Shape) {
		r.list.Add(pos, diag.BadTensor, "tensor %s has the shape %s, the layer needs %s", key, ir.Shape(tensor.Shape), t.Shape)
		return nil
	}
	raw := tensor.Data // as it lies in the file, which takes no memory
	if tensor.DType != weights.F32 {
		x, err := tensor.Float32()
		if err != nil {
			r.list.Add(pos, diag.BadTensor, "%v", err)
			return nil
		}
		raw, _ = ir.FloatConst(key, t.Shape, x).Load()
	}
	for i := range t.Shape.Size() {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])); v-v != 0 {
			r.list.Add(pos, diag.BadTensor, "tensor %s holds %v at element %d", key, v, i).
				WithHelp("weights must be finite: train again, or repair the file")
			return nil
		}
	}
	c.Data = ir.Bytes(raw)
	return c
}

func (r *resolver) use(pos diag.Pos, name string) *ir.Value {
	if v := r.values[name]; v != nil {
		return v
	}
	if r.later[name] {
		r.list.Add(pos, diag.Undefined, "%s is used before its definition", name).
			WithHelp("operations stand in the order in which they run; a network has no cycles")
		return nil
	}
	if r.lostInputs {
		r.silent++
		return nil
	}
	r.suggest(r.list.Add(pos, diag.UnknownName, "no value %q", name), name, func() (known []string) {
		for _, v := range r.m.Inputs {
			known = append(known, v.Name)
		}
		for _, n := range r.m.Ops {
			known = append(known, n.Name())
		}
		return known
	})
	return nil
}

// manyFaults is the number of faults of a text after which no names are suggested: to
// compare each unknown name with all known ones takes their product.
const manyFaults = 200

// manyNames is the number of tensors of which a diagnostic names no more.
const manyNames = 50

// suggest adds the closest of the known names to a diagnostic. It returns these names, or
// nothing where they were not asked for.
func (r *resolver) suggest(d *diag.Diagnostic, name string, known func() []string) []string {
	if len(r.list) > manyFaults {
		return nil
	}
	list := known()
	d.WithSuggestion(name, list)
	return list
}

func (r *resolver) assign(s *syntax.Assign) {
	if s.Expr.Call == nil {
		r.list.Add(syntax.At(s.Expr.Pos), diag.Syntax, "%s is no operation: write operation(arguments)", s.Expr.Name)
		r.values[s.Name] = &ir.Value{Name: s.Name} // poison, so that uses are not reported too
		return
	}
	v := r.call(s.Name, s.Expr)
	if v == nil {
		if r.values[s.Name] == nil {
			r.values[s.Name] = &ir.Value{Name: s.Name}
		}
		return
	}
	if s.Type != nil {
		r.suffixed(v, s.Type)
	}
}

// call resolves an operation whose result has a name.
func (r *resolver) call(name string, e *syntax.Expr) *ir.Value {
	pos := syntax.At(e.Pos)
	op, ok := ir.ParseOp(e.Name)
	if !ok {
		d := r.list.Add(pos, diag.UnknownOp, "no operation %q", e.Name).WithSuggestion(e.Name, ir.OpNames())
		if d.Help == "" {
			d.WithHelp("the operations are %s", strings.Join(ir.OpNames(), " "))
		}
		return nil
	}
	info := op.Info()
	n := &ir.Node{Op: op, Out: &ir.Value{Name: name, Pos: pos}, Pos: pos}
	n.Out.Def = n
	errors := r.faults()
	source := map[ir.AttrKey]any{}
	for _, a := range e.Call.Args {
		if a.Attr == nil {
			v := r.argument(name, a.Value)
			if v == nil {
				return nil // reported already
			}
			n.Args = append(n.Args, v)
			continue
		}
		r.attribute(n, source, a)
	}
	if r.faults() > errors {
		return nil
	}
	for _, a := range n.Args {
		if poisoned(a) {
			return nil // its own error is reported already
		}
	}
	if len(n.Args) < info.MinArgs || (info.MaxArgs >= 0 && len(n.Args) > info.MaxArgs) {
		r.list.Add(pos, diag.BadArity, "%s takes %s, not %d", op, arity(info), len(n.Args))
		return nil
	}
	r.parameters(n, source)
	if r.faults() > errors {
		return nil
	}
	if r.m.After == "" {
		t, d := ir.InferNode(n)
		if d != nil {
			r.list = append(r.list, d)
			return nil
		}
		n.Out.Type = t
	}
	r.define(n.Out)
	r.m.Ops = append(r.m.Ops, n)
	return n.Out
}

// poisoned reports a value whose definition is faulty: what uses it is not
// reported again.
func poisoned(v *ir.Value) bool { return v.Def == nil && v.Type.Elem.Kind == ir.Invalid }

func arity(info *ir.OpInfo) string {
	switch {
	case info.MaxArgs < 0:
		return fmt.Sprintf("%d arguments or more", info.MinArgs)
	case info.MinArgs < info.MaxArgs:
		return fmt.Sprintf("from %d to %d arguments", info.MinArgs, info.MaxArgs)
	case info.MinArgs == 1:
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", info.MinArgs)
}

// argument resolves a positional argument; a nested call gets a name of its
// own: that of the statement and the operation.
func (r *resolver) argument(name string, v *syntax.Value) *ir.Value {
	switch {
	case v.Expr == nil:
		r.list.Add(syntax.At(v.Pos), diag.Syntax, "an argument is a value or an operation; attributes are written name: value")
		return nil
	case v.Expr.Call == nil:
		return r.use(syntax.At(v.Pos), v.Expr.Name)
	}
	temp := name + "." + v.Expr.Name
	if r.temps[temp]++; r.temps[temp] > 1 {
		temp = fmt.Sprintf("%s%d", temp, r.temps[temp])
	}
	return r.call(temp, v.Expr)
}

// attribute resolves "name: value" by the operation's table.
func (r *resolver) attribute(n *ir.Node, source map[ir.AttrKey]any, a *syntax.Arg) {
	pos := syntax.At(a.Pos)
	if a.Value.Expr == nil || a.Value.Expr.Call != nil {
		r.list.Add(pos, diag.Syntax, "the name of an attribute stands before the colon")
		return
	}
	name := a.Value.Expr.Name
	info := n.Op.Info().AttrNamed(name)
	if info == nil {
		d := r.list.Add(pos, diag.UnknownAttr, "%s has no attribute %q", n.Op, name).WithSuggestion(name, n.Op.Info().AttrNames())
		if d.Help == "" {
			d.WithHelp("it has %s", strings.Join(n.Op.Info().AttrNames(), " "))
		}
		return
	}
	if n.Has(info.Key) || source[info.Key] != nil {
		r.list.Add(pos, diag.Redefined, "attribute %s is written twice", name)
		return
	}
	value := r.value(info, a.Attr)
	if value == nil {
		return
	}
	if reason := info.Check(value); reason != "" {
		kind := diag.BadValue
		if info.Key.Kind() == ir.KindElem {
			kind = diag.BadWidth
		}
		r.list.Add(pos, kind, "attribute %s %s", name, reason)
		return
	}
	if info.Source {
		source[info.Key] = value
	} else {
		n.Put(ir.Attr{Key: info.Key, Value: value})
	}
}

// value reads an attribute's value as its kind wants it; nil after an error.
func (r *resolver) value(info *ir.AttrInfo, v *syntax.Value) any {
	fail := func(kind diag.Kind, want string) any {
		r.list.Add(syntax.At(v.Pos), kind, "attribute %s takes %s", info.Key, want)
		return nil
	}
	word := ""
	if v.Expr != nil && v.Expr.Call == nil {
		word = v.Expr.Name
	}
	switch info.Key.Kind() {
	case ir.KindInt:
		if i, ok := syntax.Int(v.Number); ok {
			return i
		}
		return fail(diag.BadValue, "an integer")
	case ir.KindFloat:
		if f, ok := syntax.Float(v.Number); ok {
			return f
		}
		return fail(diag.BadValue, "a number")
	case ir.KindInts:
		if i, ok := syntax.Int(v.Number); ok {
			return slices.Repeat([]int{i}, max(info.Len, 1))
		}
		var out []int
		if isEmpty := v.Number+v.Text == "" && v.Expr == nil && v.List == nil; isEmpty && info.Required && info.Len == 0 {
			out = []int{} // of a tensor without axes, or along none
		}
		for _, e := range v.List {
			i, ok := syntax.Int(e.Number)
			if !ok {
				return fail(diag.BadValue, "integers")
			}
			out = append(out, i)
		}
		if out == nil {
			return fail(diag.BadValue, "an integer or a list of integers")
		}
		return out
	case ir.KindNums:
		if f, ok := syntax.Float(v.Number); ok {
			return []float64{f}
		}
		var out []float64
		for _, e := range v.List {
			f, ok := syntax.Float(e.Number)
			if !ok {
				return fail(diag.BadValue, "numbers")
			}
			out = append(out, f)
		}
		if out == nil {
			return fail(diag.BadValue, "a number or a list of numbers")
		}
		return out
	case ir.KindElem:
		if i, ok := syntax.Int(v.Number); ok { // bits: 4 is short for odd4
			word = fmt.Sprintf("odd%d", i)
		}
		e, ok := ir.ParseElem(word)
		if !ok {
			r.badElem(syntax.At(v.Pos), word)
			return nil
		}
		return e
	case ir.KindConst:
		if c := r.consts[word]; c != nil {
			return c
		}
		if word == "" {
			return fail(diag.BadValue, "the name of a constant")
		}
		if r.lostConsts[word] {
			r.silent++
			return nil
		}
		r.suggest(r.list.Add(syntax.At(v.Pos), diag.UnknownName, "no constant %q", word), word, func() (known []string) {
			for _, c := range r.m.Consts {
				known = append(known, c.Name)
			}
			return known
		})
		return nil
	}
	if word == "" {
		return fail(diag.BadValue, "a word")
	}
	return word
}

// parameters finds the constants that a source leaves unsaid: the tensors whose
// keys begin with the name of the operation.
func (r *resolver) parameters(n *ir.Node, source map[ir.AttrKey]any) {
	in := n.Args[0].Type.Shape
	switch n.Op {
	case ir.Conv2D:
		if n.Has(ir.AttrWeight) {
			return
		}
		filters, kernel := source[ir.AttrFilters], source[ir.AttrKernel]
		if filters == nil || kernel == nil {
			r.list.Add(n.Pos, diag.MissingAttr, "conv2d needs the attributes filters and kernel, or weight").
				WithHelp("for instance: conv2d(image, filters: 20, kernel: 5)")
			return
		}
		if len(in) != 3 || in[0]%n.Int(ir.AttrGroups) != 0 {
			r.list.Add(n.Pos, diag.BadShape, "%s: conv2d takes an image [C,H,W] whose channels its groups divide, %s is %s", n.Name(), n.Args[0].Name, in)
			return
		}
		k := kernel.([]int)
		r.weights(n, ir.Shape{filters.(int), in[0] / n.Int(ir.AttrGroups), k[0], k[1]})
	case ir.Linear:
		if n.Has(ir.AttrWeight) {
			return
		}
		if source[ir.AttrUnits] == nil {
			r.list.Add(n.Pos, diag.MissingAttr, "linear needs the attribute units, or weight").
				WithHelp("for instance: linear(x, units: 10)")
			return
		}
		r.weights(n, ir.Shape{source[ir.AttrUnits].(int), in.Size()})
	case ir.BatchNorm:
		if len(in) == 0 {
			return
		}
		for _, key := range ir.BatchNormConsts {
			if !n.Has(key) {
				r.parameter(n, key, ir.Shape{in[0]})
			}
		}
	case ir.Recurrent:
		gates := ir.Gates(n.Word(ir.AttrCell))
		if len(in) != 3 || in[0]%gates != 0 {
			r.list.Add(n.Pos, diag.BadShape, "%s: a recurrent %s takes [%d*H,T,1], %s is %s", n.Name(), n.Word(ir.AttrCell), gates, n.Args[0].Name, in)
			return
		}
		if !n.Has(ir.AttrHidden) {
			r.parameter(n, ir.AttrHidden, ir.Shape{in[0], in[0] / gates})
		}
		if n.ResetsAfter() {
			r.bias(n, in[0]/gates)
		}
	}
}

func (r *resolver) weights(n *ir.Node, shape ir.Shape) {
	r.parameter(n, ir.AttrWeight, shape)
	r.bias(n, shape[0])
}

// bias finds the constant of a node that need not have one.
func (r *resolver) bias(n *ir.Node, size int) {
	if _, ok := r.find(n.Name() + ir.Suffix(ir.AttrBias)); ok && !n.Has(ir.AttrBias) {
		r.parameter(n, ir.AttrBias, ir.Shape{size})
	}
}

// parameter is the constant of a node that lies in a tensors file under its key.
func (r *resolver) parameter(n *ir.Node, attr ir.Key[*ir.Const], shape ir.Shape) {
	key := n.Name() + ir.Suffix(attr)
	c := r.consts[key]
	if c == nil {
		if shape.Size() < 0 {
			r.list.Add(n.Pos, diag.BadShape, "%s: weights of the impossible shape %s", n.Name(), shape)
			return
		}
		if c = r.fromFile(n.Pos, key, ir.Type{Elem: ir.Of(ir.F32), Shape: slices.Clone(shape)}); c == nil {
			return
		}
		r.consts[key] = c
		r.m.Consts = append(r.m.Consts, c)
	}
	n.Put(attr.Is(c))
}

// arena reads the size of a memory plan, and what plans aim at.
func (r *resolver) arena(s *syntax.Arena) {
	if s.Bytes == "" && s.Within == "" && s.Threads == "" {
		r.list.Add(syntax.At(s.Pos), diag.BadValue, "arena without a size").WithHelp("arena BYTES align ALIGNMENT, arena within BYTES, arena threads NUMBER, or several of these in this order")
	}
	if s.Bytes != "" {
		bytes, ok1 := syntax.Int(s.Bytes)
		align, ok2 := syntax.Int(s.Align)
		if !ok1 || !ok2 || bytes < 0 || !ir.IsAlignment(align) {
			r.list.Add(syntax.At(s.Pos), diag.BadValue, "arena %s align %s", s.Bytes, s.Align).
				WithHelp("the bytes are an integer from 0 on; the alignment is a power of two from %d to %d", ir.LeastAlign, ir.MostAlign)
		}
		r.m.Arena = ir.Arena{Bytes: bytes, Align: align}
	}
	if s.Within != "" {
		within, ok := syntax.Int(s.Within)
		if !ok || within < 1 {
			r.list.Add(syntax.At(s.Pos), diag.BadValue, "arena within %s", s.Within).WithHelp("the bytes that a plan aims at are an integer from 1 on")
		}
		r.m.Within = within
	}
	if s.Threads != "" {
		threads, ok := syntax.Int(s.Threads)
		if !ok || threads < 2 || threads > ir.MostThreads {
			r.list.Add(syntax.At(s.Pos), diag.BadValue, "arena threads %s", s.Threads).WithHelp("the threads that a plan serves are an integer from 2 to %d", ir.MostThreads)
		}
		r.m.Threads = threads
	}
}
