/** What the header of an executable file says: format, processor, and the oldest system that can load it. */

import type { Platform } from "../../registry/release/platform_archive.ts";

/** An executable file's format. */
export interface BinaryFormat extends Platform {
  /** The oldest system that the header allows, in the words of targets.ts. For Windows the subsystem's version. */
  readonly needs: string;
  /** Whether a Mach-O file has a signature, which Apple's processors ask for. */
  readonly signed: boolean;
}

/**
 * Reads the header of an ELF, Mach-O (64 bit) or PE file.
 *
 * @throws Error for any other file
 */
export function readBinaryFormat(bytes: Uint8Array): BinaryFormat {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === 0x7f454c46) return elf(view);
  if (view.getUint32(0, true) === 0xfeedfacf) return machO(view);
  if (view.getUint16(0) === 0x4d5a) return pe(view);
  throw new Error("not an ELF, Mach-O or PE file");
}

function archOf(machine: number, x64: number, arm64: number): "x64" | "arm64" {
  if (machine === x64) return "x64";
  if (machine === arm64) return "arm64";
  throw new Error(`unknown processor 0x${machine.toString(16)}`);
}

/** Compares versions such as `2.3.4` and `2.27`: negative if the first is lower. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [one, other].map((version) => version.split(".").map(Number)) as [number[], number[]];
  const at = [0, 1, 2].find((part) => (a[part] ?? 0) !== (b[part] ?? 0));
  return at === undefined ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

/** ELF, 64 bit, little-endian: the section `SHT_GNU_verneed` names the versions of glibc's symbols. */
function elf(view: DataView): BinaryFormat {
  const sections = Number(view.getBigUint64(0x28, true));
  const [size, count] = [view.getUint16(0x3a, true), view.getUint16(0x3c, true)];
  const section = (index: number) => {
    const at = sections + index * size;
    return {
      type: view.getUint32(at + 4, true),
      offset: Number(view.getBigUint64(at + 0x18, true)),
      link: view.getUint32(at + 0x28, true),
      entries: view.getUint32(at + 0x2c, true),
    };
  };
  const versions: string[] = [];
  for (let index = 0; index < count; index++) {
    const { type, offset, link, entries } = section(index);
    if (type !== 0x6ffffffe) continue;
    const names = section(link).offset;
    for (let need = offset, left = entries; left > 0; left--) {
      let aux = need + view.getUint32(need + 8, true);
      for (let more = view.getUint16(need + 2, true); more > 0; more--) {
        const [, version] = /^GLIBC_([\d.]+)$/.exec(text(view, names + view.getUint32(aux + 8, true))) ?? [];
        if (version) versions.push(version);
        aux += view.getUint32(aux + 12, true);
      }
      need += view.getUint32(need + 12, true);
    }
  }
  const arch = archOf(view.getUint16(0x12, true), 62, 183);
  return { os: "linux", arch, needs: `glibc ${versions.sort(compareVersions).at(-1) ?? "0"}`, signed: false };
}

function text(view: DataView, at: number): string {
  let result = "";
  for (let byte = view.getUint8(at); byte !== 0; byte = view.getUint8(++at)) {
    result += String.fromCharCode(byte);
  }
  return result;
}

/** Mach-O, 64 bit: the load command `LC_BUILD_VERSION` or `LC_VERSION_MIN_MACOSX` has the oldest version. */
function machO(view: DataView): BinaryFormat {
  const arch = archOf(view.getUint32(4, true), 0x01000007, 0x0100000c);
  let [needs, signed] = ["", false];
  for (let at = 32, left = view.getUint32(16, true); left > 0; left--) {
    const command = view.getUint32(at, true);
    if (command === 0x32 || command === 0x24) {
      const version = view.getUint32(at + (command === 0x32 ? 12 : 8), true);
      needs = `macOS ${version >>> 16}.${version >>> 8 & 0xff}`;
    }
    if (command === 0x1d) signed = true;
    at += view.getUint32(at + 4, true);
  }
  return { os: "macos", arch, needs, signed };
}

/** PE: the optional header has the oldest version of Windows. */
function pe(view: DataView): BinaryFormat {
  const at = view.getUint32(0x3c, true);
  if (view.getUint32(at) !== 0x50450000) throw new Error("not a PE file");
  const arch = archOf(view.getUint16(at + 4, true), 0x8664, 0xaa64);
  const optional = at + 24;
  const [major, minor] = [view.getUint16(optional + 48, true), view.getUint16(optional + 50, true)];
  return { os: "windows", arch, needs: `subsystem ${major}.${minor}`, signed: false };
}
