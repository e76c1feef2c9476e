package codegen

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/dnnc/dnnc/codegen/kernel"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/version"
)

//go:embed header.h.tmpl
var headerText string

var header = template.Must(template.New("header").Parse(headerText))

// tensor is an input or an output as the header tells of it.
type tensor struct {
	Macro, Function string // their beginnings
	Role, Type      string
	Bytes, Zero     int
	Scale           string
}

// Header is the C interface: one pointer for each input and output, in
// declaration order, the weights where they are lent, and the arena that the caller
// lends. Images lie in H,W,C order.
func Header(m *ir.Module, i Interface) (string, error) {
	data := struct {
		Interface
		Network, Up                 string
		Arena                       ir.Arena
		Steps                       []string
		StepBytes, Lent             int
		ContentBytes, AboutBytes    int
		About, Major, Minor, Params string
		Inputs, Outputs             []tensor
	}{Interface: i, Network: m.Name, Up: strings.ToUpper(i.Prefix), Arena: m.Arena, StepBytes: kernel.StepState(m) + kernel.StepStateBytes,
		ContentBytes: len(i.Content) + 1, About: about, AboutBytes: len(about) + 1}
	numbers := strings.Split(version.Interface, ".")
	data.Major, data.Minor = numbers[0], numbers[1]
	for _, n := range m.Ops {
		data.Steps = append(data.Steps, n.Name())
	}
	var params []string
	describe := func(values []*ir.Value, role, qualifier string) (list []tensor) {
		for k, v := range values {
			t := tensor{Macro: fmt.Sprintf("%s_%s", data.Up, strings.ToUpper(role)), Function: i.Prefix, Role: role, Type: v.Type.String(), Bytes: v.Type.Shape.Size(), Zero: v.Type.Quant.Zero, Scale: decimal(v.Type.Quant.Scale)}
			if len(values) > 1 {
				t.Macro, t.Function = fmt.Sprintf("%s%d", t.Macro, k), fmt.Sprintf("%s_%s%d", i.Prefix, role, k)
			}
			list = append(list, t)
			params = append(params, qualifier+"int8_t *"+strings.ReplaceAll(v.Name, ".", "_"))
		}
		return list
	}
	data.Inputs = describe(m.Inputs, "input", "const ")
	data.Outputs = describe(m.Outputs, "output", "")
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
	err := header.Execute(&b, data)
	return b.String(), err
}

// decimal is a C floating constant.
func decimal(x float64) string {
	s := ir.FormatFloat(x)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
