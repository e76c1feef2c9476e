package build

import "github.com/dnnc/dnnc/ir"

// Chain is a builder of networks that a program writes down: its first error stays.
type Chain struct {
	*Builder
	Err error
}

// Add appends an operation under a name that is free, and returns its value. After an error
// it appends nothing, and returns the first argument.
func (c *Chain) Add(op ir.Op, name string, args []*ir.Value, attrs ...ir.Attr) *ir.Value {
	if c.Err != nil {
		return args[0]
	}
	v, err := c.AddNamed(op, c.Name(name), args, attrs...)
	if err != nil {
		c.Err = err
		return args[0]
	}
	return v
}
