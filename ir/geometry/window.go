package geometry

import "github.com/dnnc/dnnc/ir"

// Window is the geometry of a 2-D convolution or pooling over [C,H,W]. For a
// pooling Groups is the number of channels.
type Window struct {
	InC, InH, InW, OutC    int
	KH, KW                 int
	StrideH, StrideW       int
	PadT, PadL, PadB, PadR int
	DilH, DilW             int
	Groups                 int
}

// WindowOf is the geometry of a convolution or pooling node.
func WindowOf(n *ir.Node) Window {
	in, out := n.Args[0].Type.Shape, n.Out.Type.Shape
	pad, stride, dilation := n.Ints(ir.AttrPad), n.Stride(), n.Ints(ir.AttrDilation)
	g := Window{
		InC: in[0], InH: in[1], InW: in[2], OutC: out[0],
		StrideH: stride[0], StrideW: stride[1], DilH: dilation[0], DilW: dilation[1], Groups: 1,
		PadT: pad[0], PadL: pad[1], PadB: pad[2], PadR: pad[3],
	}
	if n.Op == ir.Conv2D {
		w := n.Const(ir.AttrWeight).Type.Shape
		g.KH, g.KW, g.Groups = w[2], w[3], n.Int(ir.AttrGroups)
	} else {
		k := n.Ints(ir.AttrKernel)
		g.KH, g.KW, g.Groups = k[0], k[1], in[0]
	}
	return g
}

// OutH is the rows of the result.
func (g Window) OutH() int { return (g.InH+g.PadT+g.PadB-(g.KH-1)*g.DilH-1)/g.StrideH + 1 }

// OutW is the columns of the result.
func (g Window) OutW() int { return (g.InW+g.PadL+g.PadR-(g.KW-1)*g.DilW-1)/g.StrideW + 1 }

// K is the weights of one output channel.
func (g Window) K() int { return g.InC / g.Groups * g.KH * g.KW }

// At maps tap (ky,kx) of output pixel (oy,ox) to an input pixel; ok is false in
// the padding.
func (g Window) At(oy, ox, ky, kx int) (y, x int, ok bool) {
	y = oy*g.StrideH - g.PadT + ky*g.DilH
	x = ox*g.StrideW - g.PadL + kx*g.DilW
	return y, x, y >= 0 && y < g.InH && x >= 0 && x < g.InW
}
