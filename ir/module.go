// Package ir is dnnc's intermediate representation: a module is one network as
// a list of operations on typed tensors, from the text that a user wrote to
// the form that code generation prints. Source and dump are the same language,
// so everything a pass decides is a type, an attribute or a constant here.
package ir

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/dnnc/dnnc/ir/diag"
)

// Module is one network. Ops stand in the order of the schedule, each below
// the operations whose results it uses.
type Module struct {
	After  string // the pass that this module has been through last; "" for source
	Target string // the target chosen by a machine pass; "" before

	Tensors []TensorsFile
	Calib   string // data set that calibration and search may see
	Test    string // data set that reports are made on
	// Calibrated is the sha256 of the images that ranges come from; "" where that is not known.
	Calibrated string

	Name    string
	Pos     diag.Pos
	Inputs  []*Value
	Outputs []*Value
	Results []Type // declared types of the outputs
	Tasks   []Task // what the outputs mean, in their order; nil where the text says nothing
	Arena   Arena
	Within  int // bytes that plans of the arena aim at, as far as kernels allow; 0 is no aim
	Threads int // that the plan serves side by side; 0 of one
	Stream  Stream
	States  []*Value // what stays in the arena from run to run
	Consts  []*Const
	Ops     []*Node
}

// TensorsFile is a reference to a file of named tensors.
type TensorsFile struct {
	Path   string // as written, relative to the folder of the network's text
	SHA256 string // "" when not pinned
	Pos    diag.Pos
}

// Arena is the memory that the caller lends to a run.
type Arena struct{ Bytes, Align int }

// An arena is aligned to a power of two of bytes: kernels read it in words, and linkers
// place no more than pages.
const (
	LeastAlign = 8
	MostAlign  = 4096
)

// IsAlignment reports whether an arena may be aligned to so many bytes.
func IsAlignment(n int) bool { return n >= LeastAlign && n <= MostAlign && n&(n-1) == 0 }

// Value is the result of an operation or an input of the network.
type Value struct {
	Name  string
	Type  Type
	Range *Range // of reals, as declared or calibrated
	Wide  bool   // in a float module: quantize gives it 16 bits
	At    Place
	Start int   // of a state: the integer that its elements have after a reset
	Def   *Node // nil for an input and for a state
	Pos   diag.Pos
	// Content is what the text says that an input holds; see Holds.
	Content Content
}

// PlaceKind says which memory a value lives in.
type PlaceKind uint8

// The memories: nowhere yet, the caller's input or output, the arena. An input at InRows is
// nowhere: the caller gives it row by row.
const (
	Unplaced PlaceKind = iota
	InInput
	InOutput
	InArena
	InRows
)

// Place is where a value lives; Offset counts bytes from the arena's start.
type Place struct {
	Kind   PlaceKind
	Offset int
}

// Node is one operation. Its name is its result's.
type Node struct {
	Op    Op
	Args  []*Value
	Attrs []Attr // in the order of the operation's schema, defaults left out
	Out   *Value
	Pos   diag.Pos
}

// Name is the name of n's result: what weights keys, -fix and the certificate
// refer to.
func (n *Node) Name() string { return n.Out.Name }

// Const is a named constant. Its bytes are loaded when first asked for.
type Const struct {
	Name  string
	Type  Type
	Scale *Const // per output channel, f32; nil when there is none
	Pos   diag.Pos
	Data  Data
}

// Data yields the bytes of a constant: little endian, row-major, codes one a
// byte.
type Data interface {
	Load() ([]byte, error)
}

// Data that are an io.WriterTo, too, are written piece by piece: those of a large model
// need not be in memory at once.

// Bytes are constant data that are in memory already.
type Bytes []byte

// Load returns b.
func (b Bytes) Load() ([]byte, error) { return b, nil }

// Load returns the bytes of c, after checking that there are as many as its
// type says.
func (c *Const) Load() ([]byte, error) {
	if c.Data == nil {
		return nil, diag.New(c.Pos, diag.MissingTensor, "constant %s has no data", c.Name)
	}
	b, err := c.Data.Load()
	if err != nil {
		return nil, err
	}
	if want := c.StoredBytes(); len(b) != want {
		return nil, diag.New(c.Pos, diag.BadTensor, "constant %s: %s takes %d bytes, its data have %d", c.Name, c.Type, want, len(b))
	}
	return b, nil
}

// Loaded is c with its data in memory, for those who read it part by part: derived data
// are made anew, as a whole, each time that they are asked for.
func (c *Const) Loaded() (*Const, error) {
	raw, err := c.Load()
	if err != nil {
		return nil, err
	}
	own := *c
	own.Data = Bytes(raw)
	return &own, nil
}

// WriteTo writes the bytes of c, piece by piece where its data can; the reader of the
// count compares it with StoredBytes.
func (c *Const) WriteTo(w io.Writer) (int64, error) {
	if d, ok := c.Data.(io.WriterTo); ok {
		return d.WriteTo(w)
	}
	b, err := c.Load()
	if err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	return int64(n), err
}

// StoredBytes is the length of c's data in a tensors file.
func (c *Const) StoredBytes() int {
	if c.Type.Elem.Kind == Vec {
		return VecCodes(c.Type.Shape, int(c.Type.Elem.Group))
	}
	return c.Type.Shape.Size() * c.Type.Elem.StoredSize()
}

// Float32 returns the elements of an f32 constant.
func (c *Const) Float32() ([]float32, error) { return c.Floats(0, c.Type.Shape.Size()) }

// Floats returns n elements of an f32 constant, from one on.
func (c *Const) Floats(first, n int) ([]float32, error) {
	if c.Type.Elem.Kind != F32 {
		return nil, fmt.Errorf("constant %s is %s, not f32", c.Name, c.Type.Elem)
	}
	b, err := c.Load()
	if err != nil {
		return nil, err
	}
	b = b[4*first : 4*(first+n)]
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out, nil
}

// Ints returns the elements of an i8, u8, i16, i32 or i64 constant, or the
// codes of a packed one.
func (c *Const) Ints() ([]int64, error) {
	b, err := c.Load()
	if err != nil {
		return nil, err
	}
	size := c.Type.Elem.StoredSize()
	out := make([]int64, len(b)/size)
	for i := range out {
		e := b[i*size:]
		switch c.Type.Elem.Kind {
		case F32:
			return nil, fmt.Errorf("constant %s is f32, not integers", c.Name)
		case I8:
			out[i] = int64(int8(e[0]))
		case I16:
			out[i] = int64(int16(binary.LittleEndian.Uint16(e)))
		case I32:
			out[i] = int64(int32(binary.LittleEndian.Uint32(e)))
		case I64:
			out[i] = int64(binary.LittleEndian.Uint64(e))
		default:
			out[i] = int64(e[0])
		}
	}
	return out, nil
}

// Int32 returns the elements of an integer constant that fit 32 bits.
func (c *Const) Int32() ([]int32, error) {
	wide, err := c.Ints()
	if err != nil {
		return nil, err
	}
	out := make([]int32, len(wide))
	for i, v := range wide {
		if v != int64(int32(v)) {
			return nil, fmt.Errorf("constant %s: element %d is %d, more than 32 bits", c.Name, i, v)
		}
		out[i] = int32(v)
	}
	return out, nil
}

// FloatConst makes an f32 constant.
func FloatConst(name string, shape Shape, x []float32) *Const {
	b := make([]byte, 4*len(x))
	for i, v := range x {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
	}
	return &Const{Name: name, Type: Type{Elem: Of(F32), Shape: shape}, Data: Bytes(b)}
}

// IntConst makes a constant of an integer type or of codes; the values must
// fit it.
func IntConst(name string, elem Elem, shape Shape, x []int64) *Const {
	return &Const{Name: name, Type: Type{Elem: elem, Shape: shape}, Data: Bytes(LittleEndian(elem.StoredSize(), x))}
}

// LittleEndian returns integers of size bytes each, 1, 2, 4 or 8, as bytes.
func LittleEndian(size int, x []int64) []byte {
	b := make([]byte, size*len(x))
	for i, v := range x {
		switch size {
		case 1:
			b[i] = byte(v)
		case 2:
			binary.LittleEndian.PutUint16(b[2*i:], uint16(v))
		case 4:
			binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
		case 8:
			binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
		}
	}
	return b
}

// Const finds a constant by name, or nil.
func (m *Module) Const(name string) *Const {
	for _, c := range m.Consts {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Value finds an input, a state or a result by name, or nil.
func (m *Module) Value(name string) *Value {
	for _, v := range slices.Concat(m.Inputs, m.States) {
		if v.Name == name {
			return v
		}
	}
	for _, n := range m.Ops {
		if n.Out.Name == name {
			return n.Out
		}
	}
	return nil
}

// Users lists the operations that use v, in order.
func (m *Module) Users(v *Value) []*Node {
	var users []*Node
	for _, n := range m.Ops {
		for _, a := range n.Args {
			if a == v {
				users = append(users, n)
				break
			}
		}
	}
	return users
}

// AllUsers lists the users of each value, as Users does of one. It is a snapshot: later
// changes of m do not reach it.
func (m *Module) AllUsers() map[*Value][]*Node {
	users := make(map[*Value][]*Node, len(m.Ops))
	for _, n := range m.Ops {
		for _, a := range n.Args {
			if u := users[a]; len(u) == 0 || u[len(u)-1] != n {
				users[a] = append(u, n)
			}
		}
	}
	return users
}

// Uses counts how often each value is an argument of an operation or a result of the
// network. It is a snapshot: later changes of m do not reach it.
func (m *Module) Uses() map[*Value]int {
	uses := make(map[*Value]int, len(m.Ops))
	for _, n := range m.Ops {
		for _, a := range n.Args {
			uses[a]++
		}
	}
	for _, o := range m.Outputs {
		uses[o]++
	}
	return uses
}

// Bypass takes out the operations for which by returns a value: what uses their results
// uses that value instead. by sees the operations in order, with the arguments that they
// then have, and must not change the schedule.
func (m *Module) Bypass(by func(n *Node) *Value) {
	instead := map[*Value]*Value{}
	change := func(list []*Value) {
		for i, v := range list {
			if w := instead[v]; w != nil {
				list[i] = w
			}
		}
	}
	kept := make([]*Node, 0, len(m.Ops))
	for _, n := range m.Ops {
		change(n.Args)
		if v := by(n); v != nil {
			instead[n.Out] = v
		} else {
			kept = append(kept, n)
		}
	}
	change(m.Outputs)
	m.Ops = kept
}

// Returned is the set of the outputs. It is a snapshot: later changes of m do not reach it.
func (m *Module) Returned() map[*Value]bool {
	returned := make(map[*Value]bool, len(m.Outputs))
	for _, o := range m.Outputs {
		returned[o] = true
	}
	return returned
}

// RowsOf are the rows that v, an input that does nothing else, chooses from; 0 of
// another value.
func (m *Module) RowsOf(v *Value) int {
	if v.Def != nil {
		return 0
	}
	rows := 0
	for _, n := range m.Ops {
		if slices.Contains(n.Args, v) {
			if n.Op != Embedding {
				return 0
			}
			if c := n.Const(AttrRows); c != nil && len(c.Type.Shape) > 0 {
				rows = max(rows, c.Type.Shape[0])
			}
		}
	}
	return rows
}

// IsIndex reports whether v is an input that chooses among more rows than 8 bits tell:
// a quantized module has it as i16.
func (m *Module) IsIndex(v *Value) bool { return m.RowsOf(v) > ByteRows }

// CanBeWide reports whether the integers of v can have 16 bits in a quantized module.
func (m *Module) CanBeWide(v *Value) bool { return m.onlyBytes(v, v.Name) == "" }

// onlyBytes says why the integers of v have 8 bits and no other form; "" where they can have 16. name is
// what the reason calls v.
func (m *Module) onlyBytes(v *Value, name string) string {
	switch n := v.Def; {
	case n == nil && v.Holds().Kind == Image:
		return name + " is a picture"
	case n == nil && m.IsIndex(v):
		return name + " chooses rows"
	case n == nil:
		return ""
	case n.Jumps():
		return fmt.Sprintf("%s computes %s, which jumps", n.functionName(), name)
	case n.Widths() == ByteResults:
		return fmt.Sprintf("%s computes %s, which is places", n.Op, name)
	case n.Widths() == OnlyBytes:
		return fmt.Sprintf("%s computes %s, which has no form of 16 bits", n.Op, name)
	}
	return ""
}

// WidthFrom lists v and the values whose integers are as wide as those of v: the arguments of operations
// that give what they take.
func WidthFrom(v *Value) []*Value {
	list, has := []*Value{v}, map[*Value]bool{v: true}
	for i := 0; i < len(list); i++ {
		n := list[i].Def
		if n == nil || n.Widths() != SameWidth {
			continue
		}
		for _, a := range n.Args {
			if !has[a] {
				list, has[a] = append(list, a), true
			}
		}
	}
	return list
}

// WhyNarrow says why a result of a network has 8 bits unless all values are to have 16: what it is or is
// made of, or which other operation reads that. "" where it has 16.
func (m *Module) WhyNarrow(v *Value) string {
	from := WidthFrom(v)
	within := map[*Value]bool{}
	for _, x := range from {
		within[x] = true
	}
	users := m.AllUsers()
	for _, x := range from {
		name := x.Name
		if x == v {
			name = "it"
		}
		if why := m.onlyBytes(x, name); why != "" {
			return why
		}
		if x.Def == nil {
			return name + " is an input"
		}
		for _, u := range users[x] {
			if !within[u.Out] {
				return fmt.Sprintf("%s reads %s, too", u.functionName(), name)
			}
		}
	}
	return ""
}

// IsQuantized reports whether m's activations are integers.
func (m *Module) IsQuantized() bool {
	return len(m.Inputs) > 0 && m.Inputs[0].Type.Elem.Kind != F32
}

// PruneConsts drops the constants that no operation and no scale refers to.
func (m *Module) PruneConsts() {
	used := map[*Const]bool{}
	for _, n := range m.Ops {
		for _, a := range n.Attrs {
			if c, ok := a.Value.(*Const); ok {
				used[c] = true
				if c.Scale != nil {
					used[c.Scale] = true
				}
			}
		}
	}
	kept := m.Consts[:0]
	for _, c := range m.Consts {
		if used[c] {
			kept = append(kept, c)
		}
	}
	m.Consts = kept
}

// SeparateConsts gives constants a name of their own that have the name of a value, or of a
// constant before them: passes name what they make after a layer, and users name values freely.
func (m *Module) SeparateConsts() {
	taken := make(map[string]bool, len(m.Ops)+len(m.Consts))
	for _, v := range slices.Concat(m.Inputs, m.States) {
		taken[v.Name] = true
	}
	for _, n := range m.Ops {
		taken[n.Name()] = true
	}
	for _, c := range m.Consts {
		name := c.Name
		for i := 2; taken[c.Name]; i++ {
			c.Name = fmt.Sprintf("%s_%d", name, i)
		}
		taken[c.Name] = true
	}
}

// Clone copies m so that neither sees the other's changes; constant data, which
// nobody changes in place, are shared.
func (m *Module) Clone() *Module {
	c := *m
	values := map[*Value]*Value{}
	consts := map[*Const]*Const{}
	value := func(v *Value) *Value {
		if n, ok := values[v]; ok {
			return n
		}
		n := *v
		if v.Range != nil {
			r := *v.Range
			n.Range = &r
		}
		n.Type.Shape = append(Shape(nil), v.Type.Shape...)
		values[v] = &n
		return &n
	}
	c.Tensors = append([]TensorsFile(nil), m.Tensors...)
	c.Results = append([]Type(nil), m.Results...)
	c.Tasks = append([]Task(nil), m.Tasks...)
	c.Consts = make([]*Const, len(m.Consts))
	for i, k := range m.Consts {
		n := *k
		c.Consts[i], consts[k] = &n, &n
	}
	for _, k := range c.Consts {
		if k.Scale != nil {
			k.Scale = consts[k.Scale]
		}
	}
	c.Inputs = make([]*Value, len(m.Inputs))
	for i, v := range m.Inputs {
		c.Inputs[i] = value(v)
	}
	c.States = make([]*Value, len(m.States))
	for i, v := range m.States {
		c.States[i] = value(v)
	}
	c.Stream.Delays, c.Stream.Warmups, c.Stream.Windows = slices.Clone(m.Stream.Delays), slices.Clone(m.Stream.Warmups), slices.Clone(m.Stream.Windows)
	c.Ops = make([]*Node, len(m.Ops))
	for i, o := range m.Ops {
		n := *o
		n.Args = make([]*Value, len(o.Args))
		for j, a := range o.Args {
			n.Args[j] = value(a)
		}
		n.Attrs = make([]Attr, len(o.Attrs))
		for j, a := range o.Attrs {
			if k, ok := a.Value.(*Const); ok {
				a.Value = consts[k]
			}
			n.Attrs[j] = a
		}
		n.Out = value(o.Out)
		n.Out.Def = &n
		c.Ops[i] = &n
	}
	c.Outputs = make([]*Value, len(m.Outputs))
	for i, v := range m.Outputs {
		c.Outputs[i] = value(v)
	}
	return &c
}
