package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPeers: each layer of the peers' table is a network with as many multiply-adds; faulty tables are refused
// with the line.
func TestPeers(t *testing.T) {
	list, err := readPeers(peersTable)
	require.NoError(t, err)
	for _, p := range list {
		n, err := networkOf(p.layer)
		require.NoError(t, err)
		if n.lines[0].weight != nil {
			assert.EqualValues(t, p.macs, n.macs(), p.layer)
		}
	}
	for table, message := range map[string]string{
		"target,layer\na,b\n":               "peers.csv:2: 2 columns",
		"t,l,m,i,p\na,b,c,4,x\n":            "peers.csv:2: strconv",
		"t,l,m,i,p\na,b,1,2,x\na,b,1,0,x\n": "peers.csv:3: \"0\" is no count",
		"t,l,m,i,p\na,b,1,2,x\na,b,1,2\n":   "peers.csv: record on line 3",
	} {
		_, err := readPeers(table)
		assert.ErrorContains(t, err, message)
	}
	_, err = networkOf("nothing")
	assert.ErrorContains(t, err, "no network")
	_, err = layerOf("3,4,4 8 3x3 colour=2")
	assert.ErrorContains(t, err, "colour")
	assert.Equal(t, 2., compared{peer{instructions: 4}, 8}.ratio())
	assert.Equal(t, "0.25", share(compared{peer{target: "armv7", macs: 16}, 8}))
	assert.Equal(t, "-", share(compared{peer{target: "armv7"}, 8}))
}
