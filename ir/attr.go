package ir

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/dnnc/dnnc/ir/diag"
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
	Doc      string
	Default  any      // what an absent attribute means; nil: absent
	Required bool     // must be present in a verified module
	Source   bool     // only in source: the resolver turns it into constants
	Len      int      // of KindInts; 0: any
	Min, Max int      // bounds of the integers of KindInt and KindInts
	Words    []string // the choices of KindWord
}

// Attr is an attribute that is present on a node. Keys make it, by Is.
type Attr struct {
	Key   AttrKey
	Value any
}

// Attr is the declaration of an attribute of op, or nil.
func (op Op) Attr(key AttrKey) *AttrInfo {
	for i := range opTable[op].Attrs {
		if a := &opTable[op].Attrs[i]; a.Key == key {
			return a
		}
	}
	return nil
}

// NoAttr is the panic of an accessor that is given an attribute which the operation of
// the node does not have. It is a fault of the compiler, not of its input: the table of
// passes returns it as the error of the pass.
type NoAttr struct {
	Node *Node
	Key  AttrKey
}

func (e *NoAttr) Error() string {
	names := cmp.Or(strings.Join(e.Node.Op.Info().AttrNames(), " "), "none")
	return diag.New(e.Node.Pos, diag.VerifierFailure, "%s: %s has no attribute %s of this kind", e.Node.Name(), e.Node.Op, e.Key).
		WithHelp("ask n.Op.Takes first; it has: %s", names).Error()
}

// attr finds an attribute's declaration and value.
func (n *Node) attr(key AttrKey) (decl *AttrInfo, value any) {
	decl = n.Op.Attr(key)
	if decl == nil {
		panic(&NoAttr{n, key})
	}
	for _, a := range n.Attrs {
		if a.Key == key {
			return decl, a.Value
		}
	}
	return decl, decl.Default
}

// Has reports whether the attribute is written on n.
func (n *Node) Has(key AttrKey) bool {
	return slices.ContainsFunc(n.Attrs, func(a Attr) bool { return a.Key == key })
}

// Takes reports whether op has an attribute.
func (op Op) Takes(key AttrKey) bool { return op.Attr(key) != nil }

// Int returns an integer attribute or its default.
func (n *Node) Int(key Key[int]) int { return valueOf(n, key) }

// Ints returns a list of integers or its default.
func (n *Node) Ints(key Key[[]int]) []int { return valueOf(n, key) }

// Float returns a real attribute or its default.
func (n *Node) Float(key Key[float64]) float64 { return valueOf(n, key) }

// Nums returns a list of numbers or its default.
func (n *Node) Nums(key Key[[]float64]) []float64 { return valueOf(n, key) }

// Word returns a word or a name, or its default, "" where there is none.
func (n *Node) Word(key Key[string]) string { return valueOf(n, key) }

// Const returns a constant, or nil.
func (n *Node) Const(key Key[*Const]) *Const { return valueOf(n, key) }

// Elem returns a format; ok is false when it is absent.
func (n *Node) Elem(key Key[Elem]) (e Elem, ok bool) {
	_, v := n.attr(key)
	e, ok = v.(Elem)
	return e, ok
}

// valueOf is the value of an attribute, or its default; the zero value where there is
// none.
func valueOf[T any](n *Node, key Key[T]) T {
	for i := range n.Attrs { // without attr, which makes key an interface and so allocates
		if k, ok := n.Attrs[i].Key.(Key[T]); ok && k == key {
			value, _ := n.Attrs[i].Value.(T)
			return value
		}
	}
	_, v := n.attr(key)
	value, _ := v.(T)
	return value
}

// Put writes attributes; one at its default, or without a value, is taken away.
func (n *Node) Put(attrs ...Attr) {
	for _, a := range attrs {
		decl, _ := n.attr(a.Key)
		n.Drop(a.Key)
		if a.Value != nil && !reflect.DeepEqual(a.Value, decl.Default) {
			n.Attrs = append(n.Attrs, a)
		}
	}
	n.sortAttrs()
}

// Drop takes attributes away, if n has them.
func (n *Node) Drop(keys ...AttrKey) {
	n.Attrs = slices.DeleteFunc(n.Attrs, func(a Attr) bool { return slices.Contains(keys, a.Key) })
}

// sortAttrs puts the attributes into the order of the schema.
func (n *Node) sortAttrs() {
	place := func(a Attr) int {
		return slices.IndexFunc(n.Op.Info().Attrs, func(decl AttrInfo) bool { return decl.Key == a.Key })
	}
	slices.SortFunc(n.Attrs, func(a, b Attr) int { return place(a) - place(b) })
}

// Check reports what is wrong with a value for this attribute, or "".
func (a *AttrInfo) Check(value any) string {
	switch a.Key.Kind() {
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
