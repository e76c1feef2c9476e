package ir

import (
	"fmt"
	"math"
	"reflect"
	"slices"
)

// AttrKind is the kind of value that an attribute takes.
type AttrKind uint8

// The kinds of attribute, with the Go type of their values.
const (
	KindInt   AttrKind = iota // int
	KindInts                  // []int; one number stands for all of them
	KindFloat                 // float64
	KindNums                  // []float64
	KindWord                  // string, one of Words
	KindElem                  // Elem: a format of weights
	KindConst                 // *Const
	KindName                  // string, any name
)

// AttrInfo declares one attribute of an operation.
type AttrInfo struct {
	Key      AttrKey
	Name     string   // of the key
	Kind     AttrKind // of the key
	Doc      string
	Default  any      // what an absent attribute means; nil: absent
	Required bool     // must be present in a verified module
	Source   bool     // only in source: the resolver turns it into constants
	Len      int      // of KindInts; 0: any
	Min, Max int      // bounds of the integers of KindInt and KindInts
	Words    []string // the choices of KindWord
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
func (n *Node) Has(key AttrKey) bool { return n.has(key.String()) }

func (n *Node) has(name string) bool {
	return slices.ContainsFunc(n.Attrs, func(a Attr) bool { return a.Name == name })
}

// Takes reports whether op has an attribute.
func (op Op) Takes(key AttrKey) bool { return op.Info().Attr(key.String()) != nil }

// Int returns an integer attribute or its default.
func (n *Node) Int(key IntAttr) int { return valueOf[int](n, key) }

// Ints returns a list of integers or its default.
func (n *Node) Ints(key IntsAttr) []int { return valueOf[[]int](n, key) }

// Float returns a real attribute or its default.
func (n *Node) Float(key FloatAttr) float64 { return valueOf[float64](n, key) }

// Nums returns a list of numbers or its default.
func (n *Node) Nums(key NumsAttr) []float64 { return valueOf[[]float64](n, key) }

// Word returns a word or its default.
func (n *Node) Word(key WordAttr) string { return valueOf[string](n, key) }

// Named returns a name, "" when it is absent.
func (n *Node) Named(key NameAttr) string { return valueOf[string](n, key) }

// Const returns a constant, or nil.
func (n *Node) Const(key ConstAttr) *Const { return valueOf[*Const](n, key) }

// Elem returns a format; ok is false when it is absent.
func (n *Node) Elem(key ElemAttr) (e Elem, ok bool) {
	_, v := n.attr(key.String())
	e, ok = v.(Elem)
	return e, ok
}

// valueOf is the value of an attribute, or its default; the zero value where there is
// none.
func valueOf[T any](n *Node, key AttrKey) T {
	_, v := n.attr(key.String())
	value, _ := v.(T)
	return value
}

// Put writes attributes; one at its default, or without a value, is taken away.
func (n *Node) Put(attrs ...Attr) {
	for _, a := range attrs {
		n.set(a.Name, a.Value)
	}
}

// Drop takes attributes away.
func (n *Node) Drop(keys ...AttrKey) {
	for _, k := range keys {
		n.set(k.String(), nil)
	}
}

// set writes an attribute by its name.
func (n *Node) set(name string, value any) {
	info, _ := n.attr(name)
	n.Attrs = slices.DeleteFunc(n.Attrs, func(a Attr) bool { return a.Name == name })
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
	case KindInt:
		v, ok := value.(int)
		if !ok {
			return "takes an integer"
		}
		return a.checkInt(v)
	case KindInts:
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
	case KindFloat:
		v, ok := value.(float64)
		if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
			return "takes a finite number"
		}
	case KindNums:
		v, ok := value.([]float64)
		if !ok {
			return "takes a list of numbers"
		}
		for _, x := range v {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return "takes finite numbers"
			}
		}
	case KindWord:
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
	case KindElem:
		e, ok := value.(Elem)
		if !ok || (e.Kind != I8 && !e.IsPacked()) {
			return "takes a format of weights: i8, odd1..odd8, code1..code8 or vec<k>x<d>"
		}
	case KindConst:
		if c, ok := value.(*Const); !ok || c == nil {
			return "takes the name of a constant"
		}
	case KindName:
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
