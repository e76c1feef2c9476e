package version

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMajor(t *testing.T) {
	for v, want := range map[string]string{"1.2.3": "1", "10.0.0": "10", "7": "7", "": ""} {
		assert.Equal(t, want, Major(v), v)
	}
	for _, v := range []string{Compiler, Language, Certificate, Interface} {
		assert.Regexp(t, `^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`, v)
	}
}
