package ir

import (
	"fmt"
	"math"
	"reflect"
)

// AttrKind is the kind of value that an attribute takes.
type AttrKind uint8

// The kinds of attribute, with the Go type of their values.
const (
	IntAttr   AttrKind = iota // int
	IntsAttr                  // []int; one number stands for all of them
	FloatAttr                 // float64
	NumsAttr                  // []float64
	WordAttr                  // string, one of Words
	ElemAttr                  // Elem: a format of weights
	ConstAttr                 // *Const
	NameAttr                  // string, any name
)

// AttrInfo declares one attribute of an operation.
type AttrInfo struct {
	Name     string
	Kind     AttrKind
	Doc      string
	Default  any      // what an absent attribute means; nil: absent
	Required bool     // must be present in a verified module
	Source   bool     // only in source: the resolver turns it into constants
	Len      int      // of IntsAttr; 0: any
	Min, Max int      // bounds of the integers of IntAttr and IntsAttr
	Words    []string // the choices of WordAttr
}

// Attr is an attribute that is present on a node.
type Attr struct {
	Name  string
	Value any
}

// attr finds an attribute's declaration and value; a missing declaration is a
// fault of the compiler, not of its input.
func (n *Node) attr(name string) (info *AttrInfo, value any) {
	info = n.Op.Info().Attr(name)
	if info == nil {
		panic(fmt.Sprintf("ir: %s has no attribute %q", n.Op, name))
	}
	for _, a := range n.Attrs {
		if a.Name == name {
			return info, a.Value
		}
	}
	return info, info.Default
}

// Has reports whether the attribute is written on n.
func (n *Node) Has(name string) bool {
	for _, a := range n.Attrs {
		if a.Name == name {
			return true
		}
	}
	return false
}

// Int returns an integer attribute or its default.
func (n *Node) Int(name string) int {
	_, v := n.attr(name)
	i, _ := v.(int)
	return i
}

// Ints returns a list of integers or its default.
func (n *Node) Ints(name string) []int {
	_, v := n.attr(name)
	i, _ := v.([]int)
	return i
}

// Float returns a real attribute or its default.
func (n *Node) Float(name string) float64 {
	_, v := n.attr(name)
	f, _ := v.(float64)
	return f
}

// Nums returns a list of numbers or its default.
func (n *Node) Nums(name string) []float64 {
	_, v := n.attr(name)
	f, _ := v.([]float64)
	return f
}

// Word returns a word or name attribute or its default.
func (n *Node) Word(name string) string {
	_, v := n.attr(name)
	s, _ := v.(string)
	return s
}

// Elem returns a format attribute; ok is false when it is absent.
func (n *Node) Elem(name string) (e Elem, ok bool) {
	_, v := n.attr(name)
	e, ok = v.(Elem)
	return e, ok
}

// Const returns a constant attribute, or nil.
func (n *Node) Const(name string) *Const {
	_, v := n.attr(name)
	c, _ := v.(*Const)
	return c
}

// Set writes an attribute; the default, or nil, takes it away.
func (n *Node) Set(name string, value any) {
	info, _ := n.attr(name)
	kept := n.Attrs[:0]
	for _, a := range n.Attrs {
		if a.Name != name {
			kept = append(kept, a)
		}
	}
	n.Attrs = kept
	if value == nil || reflect.DeepEqual(value, info.Default) {
		return
	}
	n.Attrs = append(n.Attrs, Attr{name, value})
	n.sortAttrs()
}

// sortAttrs puts the attributes into the order of the schema.
func (n *Node) sortAttrs() {
	var sorted []Attr
	for i := range n.Op.Info().Attrs {
		for _, a := range n.Attrs {
			if a.Name == n.Op.Info().Attrs[i].Name {
				sorted = append(sorted, a)
			}
		}
	}
	n.Attrs = sorted
}

// Check reports what is wrong with a value for this attribute, or "".
func (a *AttrInfo) Check(value any) string {
	switch a.Kind {
	case IntAttr:
		v, ok := value.(int)
		if !ok {
			return "takes an integer"
		}
		return a.checkInt(v)
	case IntsAttr:
		v, ok := value.([]int)
		if !ok {
			return "takes a list of integers"
		}
		if a.Len > 0 && len(v) != a.Len {
			return fmt.Sprintf("takes %d integers, not %d", a.Len, len(v))
		}
		for _, x := range v {
			if s := a.checkInt(x); s != "" {
				return s
			}
		}
	case FloatAttr:
		v, ok := value.(float64)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			return "takes a finite number"
		}
	case NumsAttr:
		v, ok := value.([]float64)
		if !ok {
			return "takes a list of numbers"
		}
		for _, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return "takes finite numbers"
			}
		}
	case WordAttr:
		v, ok := value.(string)
		if !ok {
			return "takes a word"
		}
		for _, w := range a.Words {
			if v == w {
				return ""
			}
		}
		return fmt.Sprintf("is %q, not one of %v", v, a.Words)
	case ElemAttr:
		e, ok := value.(Elem)
		if !ok || (e.Kind != I8 && !e.IsPacked()) {
			return "takes a format of weights: i8, odd1..odd8, code1..code8 or vec<k>x<d>"
		}
	case ConstAttr:
		if c, ok := value.(*Const); !ok || c == nil {
			return "takes the name of a constant"
		}
	case NameAttr:
		if s, ok := value.(string); !ok || s == "" {
			return "takes a name"
		}
	}
	return ""
}

func (a *AttrInfo) checkInt(v int) string {
	if v < a.Min || v > a.Max {
		return fmt.Sprintf("is %d, not in %d..%d", v, a.Min, a.Max)
	}
	return ""
}
