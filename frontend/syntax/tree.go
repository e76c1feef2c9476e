package syntax

import (
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/dnnc/dnnc/ir/diag"
)

// Header is the first line of a dump: which pass it stands after.
type Header struct {
	Pos     lexer.Position
	Version string `parser:"'dnn' @Number"`
	After   string `parser:"( 'after' @Ident )?"`
	Target  string `parser:"( 'target' @( Ident | String ) )?"`
}

// Tensors refers to a file of named tensors.
type Tensors struct {
	Pos    lexer.Position
	Path   string `parser:"'tensors' @String"`
	SHA256 string `parser:"( 'sha256' @String )?"`
}

// Data refers to data sets.
type Data struct {
	Pos  lexer.Position
	Sets []*DataSet `parser:"'data' @@+"`
}

// DataSet is one of the data sets, by its role: calibration or test; or, calibrated, the
// sha256 of the one that a dump was calibrated on.
type DataSet struct {
	Pos  lexer.Position
	Role string `parser:"@( 'calibration' | 'calibrated' | 'test' )"`
	Path string `parser:"@String"`
}

// Network is the line that opens a network's body.
type Network struct {
	Pos     lexer.Position
	Name    string    `parser:"'network' @Ident '('"`
	Inputs  []*Param  `parser:"( @@ ( ',' @@ )* )? ')'"`
	Results []*Result `parser:"'->' @@ ( ',' @@ )* '{'"`
}

// Result is the type of a result, and what is said of its meaning.
type Result struct {
	Pos   lexer.Position
	Type  *Type   `parser:"@@"`
	Words []*Word `parser:"@@*"`
}

// Word is an attribute of an input or a result, "key: value", or its kind or task alone.
type Word struct {
	Pos   lexer.Position
	Key   string `parser:"@Ident"`
	Value string `parser:"( ':' @( Number | Ident ) )?"`
}

// Param is an input of the network, and what is said of what it holds.
type Param struct {
	Pos   lexer.Position
	Name  string  `parser:"@Ident ':'"`
	Type  *Type   `parser:"@@"`
	Words []*Word `parser:"@@*"`
}

// Type is an element type and shape, with what suffixes say of it.
type Type struct {
	Pos      lexer.Position
	Elem     string    `parser:"@Ident '['"`
	Dims     []string  `parser:"( @Number ( ',' @Number )* )? ']'"`
	Suffixes []*Suffix `parser:"@@*"`
}

// Suffix is a range, integers to be, scale, zero point, first integer or place; exactly one is set.
type Suffix struct {
	Pos   lexer.Position
	Range []string `parser:"'in' '[' @Number ',' @Number ']'"`
	As    string   `parser:"| 'as' @Ident"`
	Scale string   `parser:"| 'scale' @( Number | Ident )"`
	Zero  string   `parser:"| 'zero' @Number"`
	Start string   `parser:"| 'start' @Number"`
	At    string   `parser:"| 'at' @( Number | Ident )"`
}

// Arena is the memory plan's size, the bytes that it aims at, and the threads that it serves; each
// may be absent.
type Arena struct {
	Pos     lexer.Position
	Bytes   string `parser:"'arena' ( @Number"`
	Align   string `parser:"'align' @Number )?"`
	Within  string `parser:"( 'within' @Number )?"`
	Threads string `parser:"( 'threads' @Number )?"`
}

// Stream says how a network over time runs: by so many frames of the input, with a
// delay of so many frames for each result, which is the whole network's after so many runs, of so
// many frames alone.
type Stream struct {
	Pos     lexer.Position
	Hop     string   `parser:"'stream' 'hop' @Number"`
	Delays  []string `parser:"'delay' '[' ( @Number ( ',' @Number )* )? ']'"`
	Warmups []string `parser:"'warmup' '[' ( @Number ( ',' @Number )* )? ']'"`
	Windows []string `parser:"( 'window' '[' @Number ( ',' @Number )* ']' )?"`
}

// State declares what stays in the arena from run to run.
type State struct {
	Pos  lexer.Position
	Name string `parser:"'state' @Ident ':'"`
	Type *Type  `parser:"@@"`
}

// Const declares a constant.
type Const struct {
	Pos  lexer.Position
	Name string `parser:"'const' @Ident ':'"`
	Type *Type  `parser:"@@"`
}

// Return lists the network's results.
type Return struct {
	Pos   lexer.Position
	Names []*Name `parser:"'return' @@ ( ',' @@ )*"`
}

// Name is a value that is returned.
type Name struct {
	Pos  lexer.Position
	Name string `parser:"@Ident"`
}

// Assign defines a value by an operation.
type Assign struct {
	Pos  lexer.Position
	Name string `parser:"@Ident '='"`
	Expr *Expr  `parser:"@@"`
	Type *Type  `parser:"( ':' @@ )?"`
}

// Expr is a name, or a call of an operation.
type Expr struct {
	Pos  lexer.Position
	Name string `parser:"@Ident"`
	Call *Call  `parser:"@@?"`
}

// Call is the arguments of an operation.
type Call struct {
	Pos  lexer.Position
	Args []*Arg `parser:"'(' ( @@ ( ',' @@ )* )? ')'"`
}

// Arg is a positional argument, or with Attr set "name: attribute".
type Arg struct {
	Pos   lexer.Position
	Value *Value `parser:"@@"`
	Attr  *Value `parser:"( ':' @@ )?"`
}

// Value is a number, a text, an expression or a list; exactly one is set.
type Value struct {
	Pos    lexer.Position
	Number string   `parser:"@Number"`
	Text   string   `parser:"| @String"`
	Expr   *Expr    `parser:"| @@"`
	List   []*Value `parser:"| '[' ( @@ ( ',' @@ )* )? ']'"`
}

// Stmt is one parsed statement: *Header, *Tensors, *Data, *Network, *Arena,
// *Stream, *State, *Const, *Assign, *Return, *End or *Broken.
type Stmt any

// Broken is a statement that has a syntax error, with what it would have defined: a use of
// that is no error of its own.
type Broken struct {
	Keyword string // "" of an operation
	Name    string
}

// End is the "}" of a network.
type End struct{ Pos lexer.Position }

// At is the position of a node, for diagnostics.
func At(p lexer.Position) diag.Pos { return position(p) }

// Unquote takes the quotes off a string token; the language has no escapes.
func Unquote(s string) string { return strings.Trim(s, "\"") }

// Float reads a number token.
func Float(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// Int reads a number token that is an integer.
func Int(s string) (int, bool) {
	i, err := strconv.Atoi(s)
	return i, err == nil
}
