package cluster

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestServersThatSendTooMuch: a message or a line of any size ends the connection, not the program.
func TestServersThatSendTooMuch(t *testing.T) {
	const info = `INFO {"server_id":"x","version":"2.10.0","headers":true,"max_payload":1048576}` + "\r\n"
	for name, says := range map[string]string{
		"message":        info + "PONG\r\nMSG a 1 9223372036854775807\r\nxxxx",
		"with headers":   info + "PONG\r\nHMSG a 1 12 4611686018427387904\r\nxxxx",
		"negative":       info + "PONG\r\nmsg a 1 -1\r\n",
		"no number":      info + "PONG\r\nMSG a 1 x\r\n",
		"line":           "INFO " + strings.Repeat("{", 1<<20),
		"line of spaces": info + strings.Repeat(" ", 1<<20),
		"split":          info + "PONG\r\nMS",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Write([]byte(says))
				if name == "split" {
					time.Sleep(50 * time.Millisecond)
					c.Write([]byte("G a 1 999999999999\r\n"))
				}
				time.Sleep(200 * time.Millisecond)
				c.Close()
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/4)
		_, err = Connect(ctx, Config{URL: "nats://" + l.Addr().String()})
		assert.Error(t, err, name)
		cancel()
		require.NoError(t, l.Close())
	}
}

// TestProtocol: lines and messages within the bounds pass, however they are cut; what TLS hides is not read.
func TestProtocol(t *testing.T) {
	const text = "INFO {}\r\nPING\r\nMSG a 1 5\r\nMSG \n\r\nHMSG a 1 r 2 12\r\n0123456789\r\n\r\nPONG\r\n"
	for step := 1; step < len(text); step++ {
		var p protocol
		for rest := text; rest != ""; rest = rest[min(step, len(rest)):] {
			require.NoError(t, p.read([]byte(rest[:min(step, len(rest))])))
		}
		assert.Empty(t, p.line)
		assert.Zero(t, p.skip)
		require.Error(t, p.read([]byte("MSG a 1 8388609\r\n")))
	}
	for _, p := range []protocol{{byTLS: true}, {}} {
		info := `INFO {"tls_required":true}` + "\r\n"
		require.NoError(t, p.read([]byte(info)))
		require.NoError(t, p.read([]byte("MSG a 1 8388609\r\n"+strings.Repeat("x", 1<<20))))
	}
}
