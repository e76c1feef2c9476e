package ir

import (
	"fmt"
	"strconv"
	"strings"
)

// String prints m as a .dnn text: the dump of a pass, and the canonical form
// of a source. Every fact stands once; defaults are left out.
func (m *Module) String() string {
	var b strings.Builder
	if m.After != "" || m.Target != "" {
		b.WriteString("dnn 1")
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
		fmt.Fprintf(&b, "tensors %s", strconv.Quote(t.Path))
		if t.SHA256 != "" {
			fmt.Fprintf(&b, " sha256 %s", strconv.Quote(t.SHA256))
		}
		b.WriteByte('\n')
	}
	if m.Calib != "" || m.Test != "" {
		b.WriteString("data")
		if m.Calib != "" {
			fmt.Fprintf(&b, " calibration %s", strconv.Quote(m.Calib))
		}
		if m.Test != "" {
			fmt.Fprintf(&b, " test %s", strconv.Quote(m.Test))
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
	}
	b.WriteString(" {\n")
	if m.Arena.Align > 0 {
		fmt.Fprintf(&b, "  arena %d align %d\n", m.Arena.Bytes, m.Arena.Align)
	}
	for _, c := range m.Consts {
		fmt.Fprintf(&b, "  const %s: %s", c.Name, c.Type)
		if c.Scale != nil {
			fmt.Fprintf(&b, " scale %s", c.Scale.Name)
		}
		b.WriteByte('\n')
	}
	for _, n := range m.Ops {
		fmt.Fprintf(&b, "  %s", n)
		if n.Out.Type.Shape != nil {
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
		parts = append(parts, a.Name+": "+formatAttr(a.Value))
	}
	return fmt.Sprintf("%s = %s(%s)", n.Out.Name, n.Op, strings.Join(parts, ", "))
}

// suffix is the type of v with its range, quantization and place.
func (v *Value) suffix() string {
	s := v.Type.String()
	if v.Range != nil {
		s += fmt.Sprintf(" in [%s,%s]", FormatFloat(v.Range.Lo), FormatFloat(v.Range.Hi))
	}
	if q := v.Type.Quant; q.Scale != 0 {
		s += fmt.Sprintf(" scale %s zero %d", FormatFloat(q.Scale), q.Zero)
	}
	switch v.At.Kind {
	case InInput:
		s += " at input"
	case InOutput:
		s += " at output"
	case InArena:
		s += fmt.Sprintf(" at %d", v.At.Offset)
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
