// Package net, for plugins of krew-wasm: the host resolves names, the API server's alone.

package net

import (
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// krewMostAddresses is how many addresses of a name are asked for.
const krewMostAddresses = 8

// krewAddressInfo and krewSocketAddress are the host's `__wasi_addrinfo_t` and `__wasi_sockaddr_t`.
type krewAddressInfo struct {
	flags                                         uint16
	family, kind                                  uint8
	protocol, size, address, name, nameSize, next uint32
}

type krewSocketAddress struct {
	family uint8
	size   uint32
	data   uint32
}

type krewLookupRoom struct {
	info    [krewMostAddresses]krewAddressInfo
	address [krewMostAddresses]krewSocketAddress
	data    [krewMostAddresses][26]byte
	first   uint32
}

// krewLookup asks the host for the addresses of a name.
func krewLookup(network, host string) ([]IPAddr, error) {
	if name := strings.TrimSuffix(strings.ToLower(host), "."); name == "localhost" {
		return krewOfFamily(network, []IPAddr{{IP: IPv4(127, 0, 0, 1)}, {IP: IPv6loopback}}), nil
	}
	room := &krewLookupRoom{}
	for i := range room.info {
		room.info[i].address = krewPointer(unsafe.Pointer(&room.address[i]))
		room.address[i] = krewSocketAddress{size: uint32(len(room.data[i])), data: krewPointer(unsafe.Pointer(&room.data[i]))}
		if i+1 < len(room.info) {
			room.info[i].next = krewPointer(unsafe.Pointer(&room.info[i+1]))
		}
	}
	room.first = krewPointer(unsafe.Pointer(&room.info))
	var hints krewAddressInfo
	var found uint32
	name := []byte(host)
	errno := syscall.Errno(krewSockLookup(unsafe.Pointer(unsafe.SliceData(name)), uint32(len(name)), nil, 0,
		unsafe.Pointer(&hints), unsafe.Pointer(&room.first), krewMostAddresses, &found))
	runtime.KeepAlive(room)
	switch {
	case errno == syscall.EACCES:
		return nil, &DNSError{Err: krewAlone, Name: host, IsNotFound: true}
	case errno != 0 || found == 0:
		return nil, &DNSError{Err: errNoSuchHost.Error(), Name: host, IsNotFound: true}
	}
	var addresses []IPAddr
	for i := range min(int(found), len(room.info)) {
		size := IPv4len
		if room.address[i].family == krewInet6 {
			size = IPv6len
		}
		addresses = append(addresses, IPAddr{IP: append(IP(nil), room.data[i][2:2+size]...)})
	}
	return krewOfFamily(network, addresses), nil
}

// krewOfFamily keeps the addresses that suit a network such as "tcp4" or "ip6".
func krewOfFamily(network string, addresses []IPAddr) []IPAddr {
	var suiting []IPAddr
	for _, address := range addresses {
		is4 := address.IP.To4() != nil
		if strings.HasSuffix(network, "4") && !is4 || strings.HasSuffix(network, "6") && is4 {
			continue
		}
		suiting = append(suiting, address)
	}
	return suiting
}

func krewLookupHost(host string) ([]string, error) {
	addresses, err := krewLookup("ip", host)
	var texts []string
	for _, address := range addresses {
		texts = append(texts, address.String())
	}
	return texts, err
}
