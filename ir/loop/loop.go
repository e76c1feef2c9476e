// Package loop is the small imperative language in which kernels are written:
// integers and vectors of them, byte-addressed memory, counted loops. It has an
// evaluator, so that a kernel is tested without LLVM, and printers elsewhere.
// Its operations are LLVM's: two's complement, the sign in the operation.
package loop

import "fmt"

// Type is an integer or a vector of integers. Bits is 8, 16, 32 or 64.
type Type struct{ Bits, Lanes int }

// The types that kernels use most.
var (
	I8  = Type{8, 1}
	I16 = Type{16, 1}
	I32 = Type{32, 1}
	I64 = Type{64, 1}
)

// Vec is a vector of lanes elements of t.
func (t Type) Vec(lanes int) Type { return Type{t.Bits, lanes} }

// Bytes is the size of t in memory.
func (t Type) Bytes() int { return t.Bits / 8 * t.Lanes }

func (t Type) String() string {
	if t.Lanes == 1 {
		return fmt.Sprintf("i%d", t.Bits)
	}
	return fmt.Sprintf("<%d x i%d>", t.Lanes, t.Bits)
}

// Program is a set of functions and constant data. The last function is the
// one that others call.
type Program struct {
	Globals []*Global
	Funcs   []*Func
	Lent    []byte // data that the caller lends: not in Globals
}

// Global is constant data.
type Global struct {
	Name     string
	Data     []byte
	Align    int
	Exported bool   // visible outside of the object
	Weights  bool   // a layer's codes, which may lie apart from the rest
	Lent     bool   // the caller has it: functions are given its place
	Section  string // where it lies; "" is wherever constants do
}

// Func has pointer parameters and gives an i32: 0 for success, or, called for
// its result, any.
type Func struct {
	Name   string
	Params []*Param
	Ints   []*Var // integer parameters, before the pointers
	Local  bool   // not visible outside of the object
	Extern bool   // of another object, without a body; evaluated it gives 0
	Body   []Stmt
}

// Param is a pointer parameter: a region of memory.
type Param struct {
	Name     string
	Constant bool // only read
	Shared   bool // may overlap another one
	Untyped  bool // of an interface: no tensor
	Wide     bool // of an interface: a tensor of 16 bits an element
}

// Region is what loads and stores go to: a *Param, a *Global or a *Cursor.
type Region interface{ regionName() string }

// Cursor is a moving place in a region. It is kept in one register: LLVM's own
// choice of addresses in a loop takes several.
type Cursor struct {
	Name     string
	Constant bool // only read
}

func (c *Cursor) regionName() string { return c.Name }

func (p *Param) regionName() string  { return p.Name }
func (g *Global) regionName() string { return g.Name }

// Var is a mutable local variable.
type Var struct {
	Name string
	Type Type
}

// Get is the variable's value.
func (v *Var) Get() Expr { return &Read{Var: v} }

// Stmt is a statement: Assign, Store, Point, Fence, For, If, Call or Return.
type Stmt interface{ stmt() }

// Assign sets a variable.
type Assign struct {
	Var   *Var
	Value Expr
}

// Store writes a value at a byte offset of a region: of a multiple of Align, at
// any for 0.
type Store struct {
	To     Region
	Offset Expr
	Value  Expr
	Align  int
}

// Point puts a cursor at a byte offset of a region, of the cursor itself to move
// it.
type Point struct {
	Cursor *Cursor
	To     Region
	Offset Expr
}

// Fence keeps loads where they are written: moved up to their like, they would
// take more registers than there are.
type Fence struct{}

// For runs Body with Var from From, below To, by Step.
type For struct {
	Var      *Var
	From, To Expr
	Step     int
	Body     []Stmt
}

// If runs Then where Cond is not 0, else Else.
type If struct {
	Cond       Expr
	Then, Else []Stmt
}

// Call runs another function. Its result goes to a variable; where there is none,
// one other than 0 ends the caller with it.
type Call struct {
	Func   *Func
	Ints   []Expr
	Args   []Arg
	Result *Var
}

// Arg is a pointer argument: a region from a byte offset on.
type Arg struct {
	Region Region
	Offset int
}

// Return ends the function.
type Return struct{ Value Expr }

func (*Assign) stmt() {}
func (*Store) stmt()  {}
func (*Point) stmt()  {}
func (*Fence) stmt()  {}
func (*For) stmt()    {}
func (*If) stmt()     {}
func (*Call) stmt()   {}
func (*Return) stmt() {}

// Expr is an expression without effects.
type Expr interface{ Type() Type }

// Const is an integer, in every lane of a vector.
type Const struct {
	T     Type
	Value int64
}

// Lanes is a vector constant.
type Lanes struct {
	T      Type
	Values []int64
}

// Read is the value of a variable.
type Read struct{ Var *Var }

// Load reads a value at a byte offset of a region: of a multiple of Align, at
// any for 0.
type Load struct {
	From   Region
	Offset Expr
	T      Type
	Align  int
}

// At reads a value at a byte offset of a region, aligned or not.
func At(from Region, offset Expr, t Type) Expr { return &Load{From: from, Offset: offset, T: t} }

// BinOp is a binary operation.
type BinOp uint8

// The binary operations. Comparisons give an i32 of 0 or 1.
const (
	Add BinOp = iota
	Sub
	Mul
	And
	Or
	Xor
	Shl
	LShr
	AShr
	SMin
	SMax
	SDiv
	UDiv
	Eq
	SLt
	ULt
	NumBinOps
)

// Bin applies an operation to each lane.
type Bin struct {
	Op   BinOp
	A, B Expr
}

// CastOp is a conversion between integers of one number of lanes.
type CastOp uint8

// The conversions.
const (
	SExt CastOp = iota
	ZExt
	Trunc
)

// Cast converts each lane.
type Cast struct {
	Op CastOp
	A  Expr
	T  Type
}

// Splat puts a scalar into every lane.
type Splat struct {
	A     Expr
	Lanes int
}

// Extract is one lane of a vector.
type Extract struct {
	A    Expr
	Lane int
}

// Shuffle takes lane Mask[i] of a vector as its lane i.
type Shuffle struct {
	A    Expr
	Mask []int
}

func (e *Const) Type() Type   { return e.T }
func (e *Lanes) Type() Type   { return e.T }
func (e *Read) Type() Type    { return e.Var.Type }
func (e *Load) Type() Type    { return e.T }
func (e *Cast) Type() Type    { return e.T }
func (e *Splat) Type() Type   { return e.A.Type().Vec(e.Lanes) }
func (e *Extract) Type() Type { return Type{e.A.Type().Bits, 1} }
func (e *Shuffle) Type() Type { return e.A.Type().Vec(len(e.Mask)) }
func (e *Bin) Type() Type {
	if e.Op == Eq || e.Op == SLt || e.Op == ULt {
		return I32
	}
	return e.A.Type()
}
