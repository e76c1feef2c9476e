// Package loop is the small imperative language in which kernels are written: integers,
// vectors of integers, byte-addressed memory, counted loops. The evaluator runs it, so that
// kernels are tested without LLVM; codegen/llvm and codegen/c print it. Its operations have
// the meaning of LLVM's: two's complement, with signedness in the operation.
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

// Program is a set of functions and constant data. The last function is the entry point.
type Program struct {
	Globals []*Global
	Funcs   []*Func
	Lent    []byte // data that the caller lends, not in Globals
}

// Global is constant data.
type Global struct {
	Name     string
	Data     []byte
	Align    int
	Exported bool   // visible outside the object
	Weights  bool   // codes of a layer, which may be stored apart from other constants
	Lent     bool   // the caller owns the data and passes the address
	Section  string // section of the object; "" is the section of constants
}

// Func has integer and pointer parameters and returns an i32: 0 for success, or any value if
// it is called for its result.
type Func struct {
	Name   string
	Params []*Param
	Ints   []*Var // integer parameters, before the pointers
	Local  bool   // not visible outside the object
	Extern bool   // defined in another object, without a body; the evaluator returns 0
	// Threads: after its pointers the function takes a function of the caller that runs calls side by
	// side, and that one's first argument. See Parallel.
	Threads bool
	Body    []Stmt
}

// Param is a pointer parameter: a region of memory.
type Param struct {
	Name     string
	Constant bool // read, never written
	Shared   bool // may overlap another region
	Untyped  bool // in an interface: not a tensor
	Wide     bool // in an interface: a tensor with elements of 16 bits
	// Giver is the name of a structure of C, of a function of the caller's and the context that it
	// is called with: the region is one, which Ask calls. "" is memory.
	Giver string
}

// Region is memory that loads read and stores write: a *Param, a *Global or a *Cursor.
type Region interface{ regionName() string }

// Cursor is a moving position in a region. It is kept in one register; the addresses that
// LLVM would choose in a loop take several.
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

// Stmt is a statement: Assign, Store, Point, Fence, For, If, Call, Ask, Parallel, Return or Written.
type Stmt interface{ stmt() }

// Assign sets a variable.
type Assign struct {
	Var   *Var
	Value Expr
}

// Store writes a value at a byte offset of a region. The address is a multiple of Align; 0
// permits any address. Places are those of Load; a lane at -1 is not written.
type Store struct {
	To     Region
	Offset Expr
	Value  Expr
	Align  int
	Places []int
}

// Point sets a cursor to a byte offset of a region. With the cursor itself as the region, it
// moves the cursor.
type Point struct {
	Cursor *Cursor
	To     Region
	Offset Expr
}

// Fence keeps loads where they are written. If the compiler moved them up to other loads,
// they would need more registers than the processor has.
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

// Call runs another function and assigns its result to a variable. Without a variable, a
// result other than 0 ends the caller, which returns the result.
type Call struct {
	Func   *Func
	Ints   []Expr
	Args   []Arg
	Result *Var
}

// Ask has the caller's function of a giver write so many bytes to an address. Result is what it
// returns. In the evaluator a giver's memory is what all calls write, one after the other.
type Ask struct {
	Of     *Param
	To     Arg
	Bytes  int
	Result *Var
}

// Parallel calls a local function of one integer once with each of 0 to Count-1, in any order or
// side by side: these calls write to disjoint memory, and read none that another of them writes.
// The caller's function runs them; where it is null, they run one after the other. Their results,
// and the integers of Call, are not looked at. It stands in a function with Threads.
type Parallel struct {
	Count int
	Call  *Call
}

// Arg is a pointer argument: an address at a byte offset of a region.
type Arg struct {
	Region Region
	Offset int
}

// Return ends the function.
type Return struct{ Value Expr }

// Written is statements whose machine code is written out: inner loops in which a compiler
// would spill registers, or load them one by one. Code for LLVM has the text; the evaluator
// runs, and C prints, the body, which computes the same. The text reads and changes the
// variables of 32 bits and the cursors of Registers, and no other variable.
type Written struct {
	Body      []Stmt
	Text      string
	Registers []Register
	Spoiled   []string // registers that the text changes beside those
}

// Register is the machine's register in which a variable or a cursor lies, before and after
// the text.
type Register struct {
	Machine string // r0 to r12 or lr
	Var     *Var
	Cursor  *Cursor // if Var is nil
}

func (*Assign) stmt()   {}
func (*Store) stmt()    {}
func (*Point) stmt()    {}
func (*Fence) stmt()    {}
func (*For) stmt()      {}
func (*If) stmt()       {}
func (*Call) stmt()     {}
func (*Ask) stmt()      {}
func (*Return) stmt()   {}
func (*Parallel) stmt() {}
func (*Written) stmt()  {}

// Expr is an expression without side effects.
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

// Load reads a value at a byte offset of a region. The address is a multiple of Align; 0
// permits any address. Places are the bytes after the offset at which the lanes of a vector lie;
// nil: one lane after the other. A lane at -1 is 0, and nothing is read.
type Load struct {
	From   Region
	Offset Expr
	T      Type
	Align  int
	Places []int
}

// Place is the byte of a lane after the offset, -1 for none.
func Place(places []int, lane, bits int) int {
	if places == nil {
		return lane * bits / 8
	}
	return places[lane]
}

// Address is the address of a region, as 64 bits on every processor.
type Address struct{ Of Region }

// Aligned is 1 where the addresses of some regions are multiples of To, a power of two, else 0. It is 0
// wherever loads gain nothing by it: C reads memory byte by byte. In the evaluator regions begin at multiples.
type Aligned struct {
	Of []Region
	To int
}

// At reads a value at a byte offset of a region, aligned or not.
func At(from Region, offset Expr, t Type) Expr { return &Load{From: from, Offset: offset, T: t} }

// Gather reads lanes that lie at some bytes after an offset.
func Gather(from Region, offset Expr, t Type, places []int) Expr {
	return &Load{From: from, Offset: offset, T: t, Places: places}
}

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

// CastOp is a conversion between integer types with the same number of lanes.
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
func (e *Address) Type() Type { return I64 }
func (e *Aligned) Type() Type { return I32 }
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
