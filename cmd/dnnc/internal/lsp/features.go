package lsp

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/dnnc/dnnc/frontend/syntax"
	"github.com/dnnc/dnnc/ir"
	"github.com/dnnc/dnnc/ir/diag"
)

// line is a line of the text, "" beyond its end.
func (f *file) line(n int) string {
	lines := strings.Split(f.text, "\n")
	if n < 0 || n >= len(lines) {
		return ""
	}
	return strings.TrimSuffix(lines[n], "\r")
}

// units is the length of a text in UTF-16.
func units(s string) int { return len(utf16.Encode([]rune(s))) }

// at is the byte in a line of a character.
func at(line string, character int) int {
	n := 0
	for i, r := range line {
		if n >= character {
			return i
		}
		n += utf16.RuneLen(r)
	}
	return len(line)
}

// inWord reports whether a character may be part of a name.
func inWord(r byte) bool {
	return r == '_' || r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// word is the name at a place, and where it begins.
func (f *file) word(p position) (string, span) {
	line := f.line(p.Line)
	from := at(line, p.Character)
	to := from
	for from > 0 && inWord(line[from-1]) {
		from--
	}
	for to < len(line) && inWord(line[to]) {
		to++
	}
	return line[from:to], span{position{p.Line, units(line[:from])}, position{p.Line, units(line[:to])}}
}

// wordAt is where a diagnostic points: the name there, or else one character.
func (f *file) wordAt(pos diag.Pos) span {
	line := f.line(pos.Line - 1)
	runes := []rune(line)
	before := string(runes[:max(0, min(pos.Col-1, len(runes)))])
	start := position{max(0, pos.Line-1), units(before)}
	_, r := f.word(start)
	if r.End.Character <= start.Character {
		return span{start, position{start.Line, start.Character + 1}}
	}
	r.Start = start
	return r
}

// hover tells the type of a value and what a layer takes, or what an operation
// does.
func (s *server) hover(f *file, p *params) any {
	name, r := f.word(p.Position)
	text := ""
	if op, ok := ir.ParseOp(name); ok && isCall(f.line(p.Position.Line), r.End.Character) {
		text = describeOp(op)
	} else if f.module != nil {
		if v := f.module.Value(name); v != nil {
			text = describe(v)
		}
	}
	if text == "" {
		return nil
	}
	return map[string]any{"contents": map[string]string{"kind": "markdown", "value": text}, "range": r}
}

func isCall(line string, end int) bool {
	return strings.HasPrefix(strings.TrimLeft(line[at(line, end):], " "), "(")
}

func describe(v *ir.Value) string {
	var b strings.Builder
	fmt.Fprintf(&b, "```dnn\n%s : %s\n```\n", v.Name, v.Type)
	if v.Def == nil {
		b.WriteString("an input of the network")
		return b.String()
	}
	fmt.Fprintf(&b, "%s: %d elements", v.Def.Op, v.Type.Shape.Size())
	if v.Def.Op.HasWeights() {
		w := v.Def.Const(ir.AttrWeight)
		fmt.Fprintf(&b, "\n\nweights %s: %d, %d bytes, %d multiply-adds", w.Type, w.Type.Shape.Size(), ir.PackedBytes(w.Type.Elem, w.Type.Shape)+ir.BookBytes(w.Type.Elem), v.Def.MACs())
	}
	return b.String()
}

func describeOp(op ir.Op) string {
	info := op.Info()
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s\n", info.Name, info.Doc)
	for _, a := range info.Attrs {
		if a.Key.Kind() == ir.KindConst {
			continue // what passes write
		}
		fmt.Fprintf(&b, "\n- `%s`: %s", a.Key, a.Doc)
	}
	return b.String()
}

// definitions are the names that a text defines, in their order, also where other
// statements are wrong.
func (f *file) definitions() (names []string, where map[string]diag.Pos) {
	stmts, _ := syntax.Parse(f.path, []byte(f.text))
	where = map[string]diag.Pos{}
	add := func(name string, pos diag.Pos) {
		if _, has := where[name]; !has {
			names, where[name] = append(names, name), pos
		}
	}
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.Network:
			for _, in := range s.Inputs {
				add(in.Name, syntax.At(in.Pos))
			}
		case *syntax.Assign:
			add(s.Name, syntax.At(s.Pos))
		case *syntax.State:
			pos := syntax.At(s.Pos)
			pos.Col += len("state ")
			add(s.Name, pos)
		case *syntax.Const:
			pos := syntax.At(s.Pos)
			pos.Col += len("const ")
			add(s.Name, pos)
		}
	}
	return names, where
}

func (s *server) definition(f *file, p *params) any {
	name, _ := f.word(p.Position)
	_, where := f.definitions()
	pos, ok := where[name]
	if !ok {
		return nil
	}
	return location{p.TextDocument.URI, f.wordAt(pos)}
}

// The kinds of completions, by the protocol's numbers.
const (
	functionKind = 3
	fieldKind    = 5
	variableKind = 6
	valueKind    = 12
	keywordKind  = 14
)

// completion offers what may stand at a place: the attributes of the operation whose
// brackets are open and the values above, operations, or the words that begin a
// statement.
func (s *server) completion(f *file, p *params) any {
	line := f.line(p.Position.Line)
	before := line[:at(line, p.Position.Character)]
	items := []completionItem{}
	info, attribute := openCall(before)
	switch {
	case attribute != nil: // behind "name:"
		for _, w := range attribute.Words {
			items = append(items, completionItem{Label: w, Kind: valueKind})
		}
		return items
	case info != nil:
		for _, a := range info.Attrs {
			if a.Key.Kind() != ir.KindConst {
				items = append(items, completionItem{Label: a.Key.String(), Kind: fieldKind, Detail: info.Name, Documentation: a.Doc, InsertText: a.Key.String() + ": "})
			}
		}
	case !strings.Contains(before, "="):
		for _, w := range syntax.Keywords() {
			items = append(items, completionItem{Label: w, Kind: keywordKind})
		}
		return items
	}
	names, where := f.definitions()
	for _, name := range names {
		if where[name].Line-1 >= p.Position.Line {
			continue // defined below
		}
		item := completionItem{Label: name, Kind: variableKind}
		if f.module != nil && f.module.Value(name) != nil {
			item.Detail = f.module.Value(name).Type.String()
		}
		items = append(items, item)
	}
	for _, name := range ir.OpNames() {
		op, _ := ir.ParseOp(name)
		items = append(items, completionItem{Label: name, Kind: functionKind, Documentation: op.Info().Doc, InsertText: name + "("})
	}
	return items
}

// openCall is the operation whose brackets are open at the end of a line's
// beginning, and the attribute whose value is awaited there.
func openCall(before string) (*ir.OpInfo, *ir.AttrInfo) {
	depth := 0
	for i := len(before) - 1; i >= 0; i-- {
		switch before[i] {
		case ')', ']':
			depth++
		case '(', '[':
			if depth--; depth >= 0 || before[i] == '[' {
				continue
			}
			head := strings.TrimRight(before[:i], " ")
			from := len(head)
			for from > 0 && inWord(head[from-1]) {
				from--
			}
			op, ok := ir.ParseOp(head[from:])
			if !ok {
				return nil, nil
			}
			last := before[max(i, strings.LastIndexByte(before, ','))+1:]
			name, _, awaits := strings.Cut(strings.TrimSpace(last), ":")
			info := op.Info()
			if k := slices.IndexFunc(info.Attrs, func(a ir.AttrInfo) bool { return a.Key.String() == name }); awaits && k >= 0 {
				return info, &info.Attrs[k]
			}
			return info, nil
		}
	}
	return nil, nil
}

// formatting is one edit of the whole text; none where nothing changes or the text
// does not parse.
func (s *server) formatting(f *file, _ *params) any {
	out, list := syntax.Format(f.path, []byte(f.text))
	if len(list) > 0 || string(out) == f.text {
		return []textEdit{}
	}
	lines := strings.Count(f.text, "\n") + 1
	return []textEdit{{span{position{}, position{lines, 0}}, string(out)}}
}
