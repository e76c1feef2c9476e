package ir_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir"
)

func TestFingerprint(t *testing.T) {
	module := func(name string, x float32) *ir.Module {
		raw := binary.LittleEndian.AppendUint32(nil, math.Float32bits(x))
		c := &ir.Const{Name: name, Type: ir.Type{Elem: ir.Of(ir.F32), Shape: ir.Shape{1}}, Data: ir.Bytes(raw)}
		return &ir.Module{Name: "m", Consts: []*ir.Const{c}}
	}
	var plain, named bytes.Buffer
	require.NoError(t, module("c", 1).WriteReals(&plain, false))
	require.NoError(t, module("c", 1).WriteReals(&named, true))
	assert.Equal(t, []byte{0, 0, 0x80, 0x3f}, plain.Bytes())
	assert.Equal(t, "c f32[1]\n\x00\x00\x80\x3f", named.String())
	one, err := module("c", 1).Fingerprint()
	require.NoError(t, err)
	assert.Len(t, one, 64)
	for _, m := range []*ir.Module{module("d", 1), module("c", 2)} {
		other, err := m.Fingerprint()
		require.NoError(t, err)
		assert.NotEqual(t, one, other)
	}
}
