package codegen

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/template"

	"github.com/dnnc/dnnc/codegen/c"
	"github.com/dnnc/dnnc/codegen/network"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/quote"
	"github.com/dnnc/dnnc/ir/stripes"
	"github.com/dnnc/dnnc/ir/version"
)

//go:embed header.h.tmpl
var headerText string

var header = template.Must(template.New("header").Funcs(template.FuncMap{"quote": quote.CString, "comment": quote.CComment}).Parse(headerText))

// tensor is an input or an output as the header tells of it.
type tensor struct {
	Macro, Function string // their beginnings
	Role            string
	Name, Type      string // in the network
	Bytes, Zero     int
	Scale           string
	C               string // the type of an element
	Least, Most     int
	Beyond          int // the most and one
}

// Header is the C interface: one pointer for each input and output, in
// declaration order, the weights where they are lent, and the arena that the caller
// lends. Images lie in H,W,C order.
func Header(m *ir.Module, i Interface) (string, error) {
	data := struct {
		Interface
		Network, Up, Guard          string
		Arena                       ir.Arena
		Steps                       []string
		StepBytes, Calls, Lent      int
		Threads                     int
		Stream                      ir.Stream
		StateBytes                  int
		ContentBytes, AboutBytes    int
		About, Major, Minor, Params string
		Inputs, Outputs             []tensor
		Rows, RowBytes              int    // of an input that the caller gives by rows
		Giver                       string // the declaration of the structure of the caller's function
	}{Interface: i, Network: m.Name, Up: strings.ToUpper(i.Prefix), Arena: m.Arena, StepBytes: network.StepState(m) + network.StepStateBytes,
		Threads: m.Threads, Stream: m.Stream, StateBytes: m.StateBytes(), ContentBytes: len(i.Content) + 1, About: about, AboutBytes: len(about) + 1}
	// Of one object: another network's header is told, also one whose name differs in case only.
	data.Guard = fmt.Sprintf("%s_%.16s_H", data.Up, strings.ToUpper(i.Content))
	numbers := strings.Split(version.Interface, ".")
	data.Major, data.Minor = numbers[0], numbers[1]
	units, err := stripes.Units(m)
	if err != nil {
		return "", err
	}
	for _, u := range units {
		data.Steps = append(data.Steps, u.Name())
		data.Calls += u.Steps
	}
	giver := network.Interface{Prefix: i.Prefix}.Giver()
	if in := m.ByRows(); in != nil {
		data.Rows, data.RowBytes, data.Giver = in.Type.Shape[1], in.RowBytes(), strings.TrimSpace(c.Giver(giver))
	}
	var params []string
	taken := map[string]bool{"weights": true, "arena": true, "step": true, "parallel": true, "context": true}
	describe := func(values []*ir.Value, name func(int) string, role, qualifier string) (list []tensor) {
		for k, v := range values {
			t := tensor{Macro: fmt.Sprintf("%s_%s", data.Up, strings.ToUpper(role)), Function: i.Prefix, Role: role, Name: name(k), Type: v.Type.String(), Bytes: v.Type.Slots(), C: "int8_t", Least: -128, Most: 127, Beyond: 128, Zero: v.Type.Quant.Zero, Scale: decimal(v.Type.Quant.Scale)}
			if v.Type.Elem.Kind == ir.I16 {
				t.C, t.Least, t.Most, t.Beyond = "int16_t", math.MinInt16, math.MaxInt16, math.MaxInt16+1
			}
			if len(values) > 1 {
				t.Macro, t.Function = fmt.Sprintf("%s%d", t.Macro, k), fmt.Sprintf("%s_%s%d", i.Prefix, role, k)
			}
			list = append(list, t)
			of := t.C
			if v.ByRows() {
				of = giver
			}
			params = append(params, qualifier+of+" *"+parameter(name(k), data.Up, taken))
		}
		return list
	}
	data.Inputs = describe(m.Inputs, func(k int) string { return m.Inputs[k].Name }, "input", "const ")
	data.Outputs = describe(m.Outputs, m.ResultName, "output", "")
	if i.Lend {
		lent, err := Lent(m, i)
		if err != nil {
			return "", err
		}
		data.Lent = len(lent)
		params = append(params, "const void *weights")
	}
	data.Params = strings.Join(append(params, "void *arena"), ", ")
	var b bytes.Buffer
	err = header.Execute(&b, data)
	return b.String(), err
}

// words of C and C++, of the types that the header uses, and those that compilers define as
// macros, which a value of a network may be named like.
var words = strings.Fields(`
	alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t class compl concept const
	const_cast consteval constexpr constinit continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum
	explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or
	or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast
	struct switch template this thread_local throw true try typedef typeid typename typeof typeof_unqual union unsigned using virtual void
	volatile wchar_t while xor xor_eq
	int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t
	arm far i386 huge interrupt linux mips near pascal sparc unix`)

// parameter is the name of a pointer of the run function: the value's, which no other
// parameter has, and no macro. Macros of this header and of others have capitals alone,
// reserved names begin with an underscore; neither ends in one.
func parameter(name, up string, taken map[string]bool) string {
	name = strings.NewReplacer(".", "_", "-", "_").Replace(name)
	isMacro := strings.ToUpper(name) == name || strings.HasPrefix(name, "_") || strings.HasPrefix(name, up+"_")
	if isMacro {
		name += "_"
	}
	for taken[name] || slices.Contains(words, name) {
		name += "_"
	}
	taken[name] = true
	return name
}

// decimal is a C floating constant.
func decimal(x float64) string {
	s := ir.FormatFloat(x)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
