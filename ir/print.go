package ir

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dnnc/dnnc/ir/version"
)

// String prints m as a .dnn text: the dump of a pass, and the canonical form
// of a source. Every fact stands once; defaults are left out.
func (m *Module) String() string { return m.print((*Node).String, m.Consts, true) }

// Source prints a float module as a person writes it: without types, and without
// the constants that a reader finds by the names of their layers.
func (m *Module) Source() string {
	named := map[*Const]bool{}
	for _, n := range m.Ops {
		for _, a := range n.Attrs {
			if c, ok := a.Value.(*Const); ok && n.isNamed(a.Key, c) {
				named[c] = true
			}
		}
	}
	var consts []*Const
	for _, c := range m.Consts {
		if !named[c] {
			consts = append(consts, c)
		}
	}
	return m.print((*Node).source, consts, false)
}

func (m *Module) print(statement func(*Node) string, consts []*Const, types bool) string {
	var b strings.Builder
	if m.After != "" || m.Target != "" {
		b.WriteString("dnn " + version.Major(version.Language))
		if m.After != "" {
			fmt.Fprintf(&b, " after %s", m.After)
		}
		if m.Target != "" {
			name := m.Target
			if strings.ContainsAny(name, ":+") {
				name = strconv.Quote(name) // a family that is refined
			}
			fmt.Fprintf(&b, " target %s", name)
		}
		b.WriteByte('\n')
	}
	for _, t := range m.Tensors {
		fmt.Fprintf(&b, "tensors %s", `"`+t.Path+`"`)
		if t.SHA256 != "" {
			fmt.Fprintf(&b, " sha256 %s", strconv.Quote(t.SHA256))
		}
		b.WriteByte('\n')
	}
	if m.Calib != "" || m.Calibrated != "" || m.Test != "" {
		b.WriteString("data")
		if m.Calib != "" {
			fmt.Fprintf(&b, " calibration %s", `"`+m.Calib+`"`)
		}
		if m.Calibrated != "" {
			fmt.Fprintf(&b, " calibrated %q", m.Calibrated)
		}
		if m.Test != "" {
			fmt.Fprintf(&b, " test %s", `"`+m.Test+`"`)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "network %s(", m.Name)
	for i, v := range m.Inputs {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s: %s", v.Name, v.suffix())
	}
	b.WriteString(") -> ")
	for i, t := range m.Results {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
		if words := m.TaskOf(i).String(); words != "" {
			b.WriteString(" " + words)
		}
	}
	b.WriteString(" {\n")
	if m.Arena.Align > 0 || m.Within > 0 || m.Threads > 0 {
		b.WriteString("  arena")
		if m.Arena.Align > 0 {
			fmt.Fprintf(&b, " %d align %d", m.Arena.Bytes, m.Arena.Align)
		}
		if m.Within > 0 {
			fmt.Fprintf(&b, " within %d", m.Within)
		}
		if m.Threads > 0 {
			fmt.Fprintf(&b, " threads %d", m.Threads)
		}
		b.WriteByte('\n')
	}
	if m.Streams() {
		fmt.Fprintf(&b, "  %s\n", m.Stream)
	}
	for _, s := range m.States {
		fmt.Fprintf(&b, "  state %s: %s\n", s.Name, s.suffix())
	}
	for _, c := range consts {
		fmt.Fprintf(&b, "  const %s: %s", c.Name, c.Type)
		if c.Scale != nil {
			fmt.Fprintf(&b, " scale %s", c.Scale.Name)
		}
		b.WriteByte('\n')
	}
	for _, n := range m.Ops {
		fmt.Fprintf(&b, "  %s", statement(n))
		if types && n.Out.Type.Shape != nil {
			fmt.Fprintf(&b, " : %s", n.Out.suffix())
		}
		b.WriteByte('\n')
	}
	names := make([]string, len(m.Outputs))
	for i, v := range m.Outputs {
		names[i] = v.Name
	}
	fmt.Fprintf(&b, "  return %s\n}\n", strings.Join(names, ", "))
	return b.String()
}

// String prints n as a statement without the type of its result.
func (n *Node) String() string {
	parts := make([]string, 0, len(n.Args)+len(n.Attrs))
	for _, a := range n.Args {
		parts = append(parts, a.Name)
	}
	for _, a := range n.Attrs {
		parts = append(parts, a.Key.String()+": "+formatAttr(a.Value))
	}
	return fmt.Sprintf("%s = %s(%s)", n.Out.Name, n.Op, strings.Join(parts, ", "))
}

// suffixes are the endings of the keys under which the constants of an operation lie in
// a tensors file: weight under name.weight.
var suffixes = map[AttrKey]string{
	AttrWeight: ".weight", AttrBias: ".bias", AttrHidden: ".hidden",
	AttrGamma: ".weight", AttrBeta: ".bias", AttrRunningMean: ".running_mean", AttrVariance: ".running_var",
}

// Suffix is the ending of the key under which the constant of an attribute lies in a
// tensors file, after the name of its operation; "" where it lies under a name of its own.
func Suffix(attr Key[*Const]) string { return suffixes[attr] }

// isNamed reports whether a reader finds the constant of an attribute by the name
// of the operation.
func (n *Node) isNamed(attr AttrKey, c *Const) bool {
	return suffixes[attr] != "" && c.Name == n.Name()+suffixes[attr] && c.Type.Elem.Kind == F32
}

// source prints n with the sizes of its weights in place of their names.
func (n *Node) source() string {
	parts := make([]string, 0, len(n.Args)+len(n.Attrs))
	for _, a := range n.Args {
		parts = append(parts, a.Name)
	}
	var rest []string
	for _, a := range n.Attrs {
		c, ok := a.Value.(*Const)
		switch {
		case !ok || !n.isNamed(a.Key, c):
			rest = append(rest, a.Key.String()+": "+shortAttr(n.Op.Attr(a.Key), a.Value))
		case a.Key == AttrWeight && n.Op == Linear:
			parts = append(parts, fmt.Sprintf("units: %d", c.Type.Shape[0]))
		case a.Key == AttrWeight:
			parts = append(parts, fmt.Sprintf("filters: %d, kernel: %s", c.Type.Shape[0], shortAttr(n.Op.Attr(AttrKernel), []int(c.Type.Shape[2:]))))
		}
	}
	parts = append(parts, rest...)
	return fmt.Sprintf("%s = %s(%s)", n.Out.Name, n.Op, strings.Join(parts, ", "))
}

// shortAttr prints one number for a list of equal ones, where the language reads
// that so.
func shortAttr(a *AttrInfo, value any) string {
	if v, ok := value.([]int); ok && a.Len > 0 {
		same := true
		for _, x := range v {
			same = same && x == v[0]
		}
		if same {
			return strconv.Itoa(v[0])
		}
	}
	return formatAttr(value)
}

// suffix is the type of v with its range, its width to be, quantization and place.
func (v *Value) suffix() string {
	s := v.Type.String()
	if v.Range != nil {
		s += fmt.Sprintf(" in [%s,%s]", FormatFloat(v.Range.Lo), FormatFloat(v.Range.Hi))
	}
	if v.Wide {
		s += " as " + Of(I16).String()
	}
	if q := v.Type.Quant; q.Scale != 0 {
		s += fmt.Sprintf(" scale %s zero %d", FormatFloat(q.Scale), q.Zero)
	}
	if v.Start != 0 {
		s += fmt.Sprintf(" start %d", v.Start)
	}
	switch v.At.Kind {
	case InInput:
		s += " at input"
	case InOutput:
		s += " at output"
	case InRows:
		s += " at rows"
	case InArena:
		s += fmt.Sprintf(" at %d", v.At.Offset)
	}
	if c := v.Content.String(); c != "" {
		s += " " + c
	}
	return s
}

func formatAttr(value any) string {
	switch v := value.(type) {
	case int:
		return strconv.Itoa(v)
	case []int:
		return formatList(v, strconv.Itoa)
	case float64:
		return FormatFloat(v)
	case []float64:
		return formatList(v, FormatFloat)
	case Elem:
		return v.String()
	case *Const:
		return v.Name
	}
	return fmt.Sprint(value)
}

func formatList[T any](list []T, format func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = format(v)
	}
	return "[" + strings.Join(parts, ",") + "]"
}
