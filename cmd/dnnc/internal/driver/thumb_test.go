package driver_test

import (
	"debug/elf"
	"encoding/binary"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestARMv6MInstructions decodes an object for a Cortex-M0, which runs on a
// Cortex-M3's board where it is large: of 32-bit instructions ARMv6-M has BL alone
// among those that kernels may use, of 16-bit ones no compare-and-branch and no IT.
func TestARMv6MInstructions(t *testing.T) {
	f, err := elf.Open(object(t, "armv6m") + ".o")
	require.NoError(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	require.NoError(t, err)
	instructions := 0
	for index, s := range f.Sections {
		if s.Flags&elf.SHF_EXECINSTR == 0 || s.Size == 0 {
			continue
		}
		code, err := s.Data()
		require.NoError(t, err)
		// Mapping symbols say where instructions ($t) and literals ($d) begin.
		var marks []elf.Symbol
		for _, m := range symbols {
			if int(m.Section) == index && (strings.HasPrefix(m.Name, "$t") || strings.HasPrefix(m.Name, "$d")) {
				marks = append(marks, m)
			}
		}
		sort.SliceStable(marks, func(i, j int) bool { return marks[i].Value < marks[j].Value })
		for i, m := range marks {
			end := s.Size
			if i+1 < len(marks) {
				end = marks[i+1].Value
			}
			for at := m.Value; m.Name[1] == 't' && at < end; at += 2 {
				half := binary.LittleEndian.Uint16(code[at:])
				instructions++
				assert.False(t, half&0xf500 == 0xb100, "%s+%#x: compare and branch", s.Name, at)
				assert.False(t, half&0xff00 == 0xbf00 && half&0xf != 0, "%s+%#x: IT", s.Name, at)
				if half>>11 >= 0x1d {
					second := binary.LittleEndian.Uint16(code[at+2:])
					assert.True(t, half>>11 == 0x1e && second&0xd000 == 0xd000, "%s+%#x: %04x %04x is no BL", s.Name, at, half, second)
					at += 2
				}
			}
		}
	}
	assert.Greater(t, instructions, 500)
}
