package count

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// read decodes a listing of llvm-objdump: on each line an address, a name, and operands.
func (m *machine) read(listing string) error {
	s := bufio.NewScanner(strings.NewReader(listing))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		head, rest, ok := strings.Cut(s.Text(), ":")
		address, err := strconv.ParseUint(strings.TrimSpace(head), 16, 64)
		if !ok || err != nil {
			continue // a heading
		}
		text := strings.TrimSpace(rest)
		if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "<unknown>") || text == "" {
			continue // constants among the code
		}
		m.code = append(m.code, instruction{address: address, text: text})
	}
	if err := s.Err(); err != nil {
		return err
	}
	if len(m.code) == 0 {
		return fmt.Errorf("count: the listing has no instructions")
	}
	m.first = m.code[0].address
	last := m.code[len(m.code)-1].address
	if last-m.first > 1<<28 {
		return fmt.Errorf("count: %d bytes of code", last-m.first)
	}
	m.places = make([]int32, last-m.first+1)
	for i := range m.places {
		m.places[i] = -1
	}
	for i := range m.code {
		in := &m.code[i]
		if i+1 < len(m.code) {
			in.next = m.code[i+1].address
		}
		if in.address < m.first {
			return fmt.Errorf("count: the listing is not in the order of addresses")
		}
		m.places[in.address-m.first] = int32(i)
		name, args := words(in.text)
		in.run = m.isa.decode(*in, name, args)
	}
	return nil
}

// words are the name and the operands of an instruction, without comments.
func words(text string) (name string, args []string) {
	for _, mark := range []string{" <", "\t<", " @", "\t@", "//", "\t# ", " # "} {
		if i := strings.Index(text, mark); i >= 0 {
			text = text[:i]
		}
	}
	name, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(text, "\t", " ")), " ")
	depth, from := 0, 0
	rest = strings.TrimSpace(rest)
	for i, c := range rest {
		switch c {
		case '[', '{', '(':
			depth++
		case ']', '}', ')':
			depth--
		case ',':
			if depth == 0 {
				args, from = append(args, strings.TrimSpace(rest[from:i])), i+1
			}
		}
	}
	if last := strings.TrimSpace(rest[from:]); last != "" {
		args = append(args, last)
	}
	return name, args
}

// number is an immediate operand, with or without #.
func number(text string) (int64, bool) {
	text = strings.TrimPrefix(strings.TrimSpace(text), "#")
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		u, err := strconv.ParseUint(text, 0, 64)
		return int64(u), err == nil
	}
	return n, true
}

// target is the address that a branch names.
func target(args []string) (uint64, bool) {
	if len(args) == 0 {
		return 0, false
	}
	n, ok := number(args[len(args)-1])
	return uint64(n), ok
}
