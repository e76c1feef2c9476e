package project

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/ir/processor"
)

// TestCores: what a device must be said to have is what its processor may lack.
func TestCores(t *testing.T) {
	for name, want := range map[string][]string{
		"armv6m":                  {`Dcore="Cortex-M0"`, `Dcore="Cortex-M0+"`, `Dcore="Cortex-M1"`},
		"armv7m":                  {`Dcore="Cortex-M3"`},
		"armv7em":                 {`Dcore="Cortex-M4"`, `Dcore="Cortex-M7"`},
		"armv7em:cortex-m7":       {`Dcore="Cortex-M7"`},
		"armv8m":                  {`Dcore="Cortex-M33" Ddsp="DSP"`, `Dcore="Cortex-M35P" Ddsp="DSP"`},
		"armv8m-dsp":              {`Dcore="Cortex-M33"`, `Dcore="Cortex-M35P"`},
		"armv8.1m:cortex-m52":     {`Dcore="Cortex-M52" Dmve="MVE"`, `Dcore="Cortex-M52" Dmve="FP_MVE"`},
		"armv8.1m:cortex-m85-mve": {`Dcore="Cortex-M85" Ddsp="DSP"`},
		"armv7":                   nil,
		"x86_64":                  nil,
	} {
		target, err := processor.Find(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, cores(target), name)
	}
}
