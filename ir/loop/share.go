package loop

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// Share merges local functions that differ only in their names and in the constant data that
// they read, so that layers of one shape share one kernel. The data become parameters; lent
// data always become parameters. Each function must come after the functions that it calls.
func Share(p *Program) {
	alike := map[[sha256.Size]byte][]*shape{}
	shapes := map[*Func]*shape{}
	firsts := map[*Func]*Func{}
	for _, f := range p.Funcs {
		if !f.Local {
			continue
		}
		s := &shape{f: f, seen: map[uintptr]int{}, firsts: firsts, shapes: shapes}
		s.value(reflect.ValueOf(f).Elem())
		s.sum, s.text = sha256.Sum256(s.text), nil
		alike[s.sum] = append(alike[s.sum], s)
		shapes[f], firsts[f] = s, alike[s.sum][0].f
	}
	lifted := func(s *shape) bool {
		return len(alike[s.sum]) > 1 || slices.ContainsFunc(s.globals, func(g *Global) bool { return g.Lent })
	}
	for _, f := range p.Funcs {
		EachCall(f.Body, func(c *Call) {
			s := shapes[c.Func]
			if s == nil {
				return
			}
			c.Func = firsts[c.Func]
			if lifted(shapes[c.Func]) {
				for _, g := range s.globals {
					c.Args = append(c.Args, Arg{Region: g})
				}
			}
		})
	}
	var kept []*Func
	for _, f := range p.Funcs {
		if !f.Local {
			kept = append(kept, f)
			continue
		}
		if firsts[f] != f {
			continue
		}
		kept = append(kept, f)
		if s := shapes[f]; lifted(s) {
			s.lift()
		}
	}
	p.Funcs = kept
}

// shape is what a function is but for names and data.
type shape struct {
	f       *Func
	text    []byte // what was visited so far
	sum     [sha256.Size]byte
	seen    map[uintptr]int
	globals []*Global // in the order in which it, or what it calls, reads them
	firsts  map[*Func]*Func
	shapes  map[*Func]*shape
}

// value adds a part of the function to its text. It knows no statement or
// expression by name, so that it holds for all there will be.
func (s *shape) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			s.word("nil ")
			return
		}
		s.value(v.Elem())
	case reflect.Pointer:
		s.pointer(v)
	case reflect.Struct:
		name, unread := forReaders[v.Type()]
		s.word(v.Type().Name(), "{")
		for i := range v.NumField() {
			if !unread || i != name {
				s.value(v.Field(i))
			}
		}
		s.word("}")
	case reflect.Slice:
		s.number('[', v.Len())
		for i := range v.Len() {
			s.value(v.Index(i))
		}
	case reflect.String:
		s.word(v.String(), " ")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		s.number('=', int(v.Int()))
	default:
		s.print(v.Interface(), " ")
	}
}

func (s *shape) pointer(v reflect.Value) {
	if v.IsNil() {
		s.word("nil ")
		return
	}
	if f, ok := v.Interface().(*Func); ok {
		s.word("call ", s.firsts[f].Name, " ")
		for _, g := range s.shapes[f].globals {
			s.pointer(reflect.ValueOf(g))
		}
		return
	}
	id, again := s.seen[v.Pointer()]
	if !again {
		id = len(s.seen)
		s.seen[v.Pointer()] = id
	}
	s.number('#', id)
	switch x := v.Interface().(type) {
	case *Global:
		if !again {
			s.globals = append(s.globals, x)
			s.print("data ", x.Align, x.Lent, " ")
		}
	default:
		if !again {
			s.value(v.Elem())
		}
	}
}

func (s *shape) print(list ...any) { s.text = fmt.Append(s.text, list...) }

func (s *shape) word(list ...string) {
	for _, w := range list {
		s.text = append(s.text, w...)
	}
}

func (s *shape) number(mark byte, n int) {
	s.text = append(strconv.AppendInt(append(s.text, mark), int64(n), 10), ' ')
}

// forReaders has the types whose field Name is for readers alone, and its index: of what
// stands for itself, not of an intrinsic, which a name chooses.
var forReaders = func() map[reflect.Type]int {
	names := map[reflect.Type]int{}
	for _, t := range []reflect.Type{reflect.TypeFor[Var](), reflect.TypeFor[Param](), reflect.TypeFor[Func](), reflect.TypeFor[Cursor]()} {
		f, _ := t.FieldByName("Name")
		names[t] = f.Index[0]
	}
	return names
}()

// lift makes the data that the function reads parameters.
func (s *shape) lift() {
	params := map[*Global]*Param{}
	for i, g := range s.globals {
		p := &Param{Name: fmt.Sprintf("data%d", i), Constant: true}
		params[g] = p
		s.f.Params = append(s.f.Params, p)
	}
	done := map[uintptr]bool{}
	var visit func(v reflect.Value)
	visit = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Interface:
			if g, ok := v.Interface().(*Global); ok {
				v.Set(reflect.ValueOf(params[g]))
			} else if !v.IsNil() {
				visit(v.Elem())
			}
		case reflect.Pointer:
			if _, isFunc := v.Interface().(*Func); isFunc || v.IsNil() || done[v.Pointer()] {
				return
			}
			done[v.Pointer()] = true
			visit(v.Elem())
		case reflect.Struct:
			for i := range v.NumField() {
				visit(v.Field(i))
			}
		case reflect.Slice:
			for i := range v.Len() {
				visit(v.Index(i))
			}
		}
	}
	visit(reflect.ValueOf(&s.f.Body).Elem())
}

// EachCall visits the calls in statements and in nested statements.
func EachCall(body []Stmt, visit func(c *Call)) {
	EachStmt(body, func(s Stmt) {
		if c, ok := s.(*Call); ok {
			visit(c)
		}
	})
}

// EachStmt visits statements, each before those within it.
func EachStmt(body []Stmt, visit func(s Stmt)) {
	for _, s := range body {
		visit(s)
		switch s := s.(type) {
		case *Parallel:
			visit(s.Call)
		case *For:
			EachStmt(s.Body, visit)
		case *If:
			EachStmt(s.Then, visit)
			EachStmt(s.Else, visit)
		case *Written:
			EachStmt(s.Body, visit)
		}
	}
}
