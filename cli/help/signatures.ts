/** `krew-wasm help signatures` */
export const SIGNATURES = `SIGNATURES

A digest proves that you got the registry's bytes. A signature proves who made
them. pull --verify takes the file of a public key, or IDENTITY@ISSUER with *
for any text:

  krew-wasm pull --verify=acme.pub ghcr.io/acme/plugins/decoder:v1
  krew-wasm pull --verify='*@acme.example@https://accounts.google.com' REF

krew-wasm verifies before it downloads the plugin. An upgrade needs the signer
of the installed version. If --verify is repeated, one signer is enough.

To require signatures always, write policy.yaml in the store (~/.krew-wasm):

  version: 1
  rules: # the first matching rule applies
    - match: ghcr.io/acme/**
      verify: # any of them
        - /home/me/acme.pub
        - https://github.com/acme/*@https://token.actions.githubusercontent.com

To sign: krew-wasm push --sign=cosign.key FILE REF, or cosign sign REF.

Without network krew-wasm checks identities by the trust root that it carries. A
newer one is trusted_root.json in /etc/krew-wasm or in the store;
--trust-root names another. cosign writes it:

  cosign trusted-root create --with-default-services --out trusted_root.json

Errors: SIGNATURE_MISSING (not signed), SIGNATURE_UNTRUSTED (signed by somebody
else), SIGNATURE_EXPIRED, SIGNATURE_INVALID (changed, or for another plugin).
`;
