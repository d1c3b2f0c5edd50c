/** `krew-wasm help registries` */
export const REGISTRIES = `REGISTRIES

A reference is [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]. The default host is
docker.io, the default tag latest. A digest pins exact bytes.

Credentials are docker's and podman's: DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE,
~/.docker/config.json (DOCKER_CONFIG), containers/auth.json. A credential helper
that credHelpers or credsStore names keeps passwords out of files:

  { "credsStore": "secretservice" }      # runs docker-credential-secretservice

Its commands login and logout write these files.

Mirrors, private authorities and plain HTTP are set in registries.yaml in the
store (~/.krew-wasm):

  registries:
    ghcr.io:
      mirrors:
        - mirror.example/ghcr # ghcr.io/a/b becomes mirror.example/ghcr/a/b
        - location: 10.0.0.7:5000
          plainHttp: true
    registry.example.com:
      ca: /etc/ssl/example-ca.pem
      cert: /home/me/client.pem
      key: /home/me/client.key
    docker.io:
      blocked: true

certs.d and registries.conf of the container tools count, too. HTTPS_PROXY,
ALL_PROXY and NO_PROXY choose a proxy.

A self-signed certificate must be a server's, not an authority's:

  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
    -keyout key.pem -out cert.pem -subj /CN=registry.example.com \\
    -addext basicConstraints=critical,CA:FALSE \\
    -addext subjectAltName=DNS:registry.example.com
`;
