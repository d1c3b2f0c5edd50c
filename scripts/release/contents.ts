/** What the binary contains: its npm packages with their licences, Deno and V8. */

import { fileURLToPath } from "node:url";
import record from "../packages.json" with { type: "json" };

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** An npm package in the binary. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** The integrity in deno.lock: `sha512-BASE64`. */
  readonly integrity: string;
  /** An SPDX expression. */
  readonly license: string;
  /** The text of its licence files. */
  readonly text: string;
}

/** The npm packages in the binary, as scripts/packages.json lists them. */
export async function npmPackages(): Promise<NpmPackage[]> {
  return await Promise.all(
    Object.entries(record.packages).map(async ([id, { integrity }]) => {
      const [, name = "", version = ""] = /^(@?[^@]+)@(.*)$/.exec(id) ?? [];
      const directory = `${ROOT}node_modules/.deno/${id.replace("/", "+")}/node_modules/${name}`;
      const { license } = JSON.parse(await Deno.readTextFile(`${directory}/package.json`));
      const files: string[] = [];
      for await (const { name: file, isFile } of Deno.readDir(directory)) {
        if (isFile && /^(?:licen[cs]e|copying|notice)/i.test(file)) files.push(file);
      }
      const texts = await Promise.all(files.sort().map((file) => Deno.readTextFile(`${directory}/${file}`)));
      return { name, version, integrity, license: String(license), text: texts.join("\n").trim() };
    }),
  );
}

/** The file THIRD_PARTY_NOTICES.txt. */
export function notices(packages: readonly NpmPackage[], deno: { deno: string; v8: string }): string {
  const line = "=".repeat(78);
  const parts = [
    `krew-wasm contains the works below, under their own licences.`,
    `${line}\nDeno ${deno.deno}, MIT\n\n${DENO_LICENSE}\n
Deno contains further Rust libraries. Its source names them and their licences:
https://github.com/denoland/deno/blob/v${deno.deno}/Cargo.lock`,
    `${line}\nV8 ${deno.v8}, BSD-3-Clause\n\n${V8_LICENSE}`,
    ...packages.map(({ name, version, license, text }) =>
      `${line}\n${name} ${version}, ${license}\n\n${
        text === "" ? `The package has no licence file. Its licence: https://spdx.org/licenses/` : text
      }`
    ),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** The software bill of materials: CycloneDX 1.6, without a date, so that it depends on the release alone. */
export function sbom(
  version: string,
  packages: readonly NpmPackage[],
  deno: { deno: string; v8: string },
): string {
  const licenses = (license: string) =>
    license.includes(" ") ? [{ expression: license }] : [{ license: { id: license } }];
  const component = (name: string, of: string, license: string, purl: string) => ({
    type: "library",
    "bom-ref": purl,
    name,
    version: of,
    licenses: licenses(license),
    purl,
  });
  const components = [
    component("deno", deno.deno, "MIT", `pkg:github/denoland/deno@v${deno.deno}`),
    component("v8", deno.v8, "BSD-3-Clause", `pkg:github/v8/v8@${deno.v8.replace(/-.*/, "")}`),
    ...packages.map(({ name, version, license, integrity }) => ({
      ...component(name, version, license, `pkg:npm/${name.replace("@", "%40")}@${version}`),
      hashes: [{ alg: "SHA-512", content: Uint8Array.fromBase64(integrity.replace("sha512-", "")).toHex() }],
    })),
  ];
  const product = {
    type: "application",
    "bom-ref": `pkg:generic/krew-wasm@${version}`,
    name: "krew-wasm",
    version,
    licenses: licenses("Apache-2.0"),
  };
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: product },
    components,
    dependencies: [{ ref: product["bom-ref"], dependsOn: components.map((each) => each["bom-ref"]) }],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

const WARRANTY_MIT = `THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`;

const DENO_LICENSE = `Copyright 2018-2026 the Deno authors

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

${WARRANTY_MIT}`;

const V8_LICENSE = `Copyright 2006-2011, the V8 project authors. All rights reserved.

Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:

    * Redistributions of source code must retain the above copyright notice,
      this list of conditions and the following disclaimer.
    * Redistributions in binary form must reproduce the above copyright
      notice, this list of conditions and the following disclaimer in the
      documentation and/or other materials provided with the distribution.
    * Neither the name of Google Inc. nor the names of its contributors may be
      used to endorse or promote products derived from this software without
      specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"
AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT OWNER OR CONTRIBUTORS BE LIABLE FOR
ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES
(INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON
ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
(INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.`;
