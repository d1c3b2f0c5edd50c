// Package tls, for plugins of krew-wasm: TLS to the API server is the host's. A client on such a connection passes
// bytes as they are, and the host verifies the server's certificate by the user's kubeconfig. So the program sees no
// certificate, and its own callbacks for verification are not called.

package tls

import "net"

// krewClient begins a client: the host's connection needs no handshake.
func (c *Conn) krewClient() {
	c.handshakeFn = c.clientHandshake
	if c.conn == nil || !net.KrewHosted(c.conn.RemoteAddr()) {
		return
	}
	c.krewHosted = true
	c.vers, c.haveVers = VersionTLS13, true
	c.cipherSuite = TLS_AES_128_GCM_SHA256
	c.clientProtocol = "http/1.1"
	if c.config != nil {
		c.serverName = hostnameInSNI(c.config.ServerName)
	}
	c.handshakes = 1
	c.isHandshakeComplete.Store(true)
}

// krewCloseWrite ends the sending side, as close_notify does.
func (c *Conn) krewCloseWrite() error {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
