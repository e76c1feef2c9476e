package cluster

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/dnnc/dnnc/ir/version"
)

// TestManifest: the example for Kubernetes is YAML, of this version, and its address is one that may be used.
func TestManifest(t *testing.T) {
	text, err := os.ReadFile("../../../../testdata/cluster/workers.yaml")
	require.NoError(t, err)
	var m struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Image string
						Args  []string
					}
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &m))
	c := m.Spec.Template.Spec.Containers[0]
	assert.True(t, strings.HasSuffix(c.Image, ":"+version.Compiler))
	require.Equal(t, []string{"worker", "-cluster"}, c.Args[:2])
	assert.NoError(t, isSafe(c.Args[2]))
}
