package ir

import (
	"errors"
	"fmt"
	"strings"
)

// Column is what one package knows of each operation. The packages above ir that keep
// a table of operations add theirs when the program starts; Whole finds what a new
// operation lacks.
type Column struct {
	Name  string // what a cell is: "gradient"
	Place string // the file in which it is written
	// Needs says which operations have a cell; nil is all.
	Needs func(op Op) bool
	Has   func(op Op) bool
}

var columns = []Column{
	{"name", "ir/ops.go", nil, func(op Op) bool { return opTable[op].Name != "" }},
	{"description", "ir/ops.go", nil, func(op Op) bool { return opTable[op].Doc != "" }},
	{"class", "ir/ops.go", nil, func(op Op) bool { return opTable[op].Class != 0 }},
	{"arguments", "ir/ops.go", nil, func(op Op) bool { return opTable[op].MinArgs > 0 && opTable[op].MaxArgs != 0 }},
	{"formats of models that know it", "ir/ops.go", nil, func(op Op) bool { return opTable[op].Known != 0 }},
	{"sample", "ir/ops.go", nil, func(op Op) bool { return strings.Contains(opTable[op].Sample, opTable[op].Name+"(") }},
	{"inference", "ir/ops.go", nil, func(op Op) bool { return opTable[op].infer != nil }},
	{"view", "ir/ops.go", func(op Op) bool { return op.Is(Move) || op.Moves() }, func(op Op) bool { return opTable[op].view != nil }},
}

// AddColumn adds the column of a package, which its init calls.
func AddColumn(c Column) { columns = append(columns, c) }

// Whole reports the empty cells of the table of operations, one a line, and the filled
// ones that nothing needs. It sees the columns of the packages that the program has.
func Whole() error {
	var list []error
	for op := range NumOps {
		name := op.String()
		if name == "" {
			name = fmt.Sprintf("operation %d", op)
		}
		for _, c := range columns {
			if needs, has := c.Needs == nil || c.Needs(op), c.Has(op); needs && !has {
				list = append(list, fmt.Errorf("%s: no %s (%s)", name, c.Name, c.Place))
			} else if has && !needs {
				list = append(list, fmt.Errorf("%s: %s, which its row does not ask for (%s)", name, c.Name, c.Place))
			}
		}
	}
	return errors.Join(list...)
}
