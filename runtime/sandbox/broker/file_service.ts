/**
 * Files that a run can't open itself any more, opened outside of the wall: what a person granted while the plugin ran, and
 * single files that are made. Everything is checked here as in a run without a wall, by the same tree (wasi/files_linux.ts);
 * what is open is handed over.
 */

import type { Mount, Overlay } from "../types.ts";
import { isAbsence, WasiError } from "../../wasi/errno.ts";
import type { AnyFile, DirectoryNode, FileTree, OpenOptions } from "../../wasi/files/file_tree.ts";
import { OpenFile } from "../../wasi/files/linux/linux_nodes.ts";
import { OverlayNode } from "../../wasi/files/overlay.ts";
import type { MaybePromise } from "../../wasi/streams/streams.ts";
import type { Json } from "./channel.ts";
import { BadMessage, type Fields } from "./fields.ts";
import { entryToText, pathOfText, pathToText, statToJson, timeOfText } from "./file_messages.ts";

/** An answer, and the files that go with it, which stay open here. */
export interface Answer {
  readonly message: Json;
  readonly files?: readonly number[];
}

type Node = DirectoryNode | AnyFile;

const TO_READ: OpenOptions = {
  follow: true,
  create: false,
  exclusive: false,
  truncate: false,
  directory: false,
  read: true,
  write: false,
};

/**
 * Overlays for the tree of a {@linkcode FileService}: what shows there is the run's to make up. Their content is the path of
 * the file that they stand for, by which the run finds its own.
 */
export function namedOverlays(hosts: readonly string[]): Overlay[] {
  return hosts.map((host) => ({ host, content: () => new TextEncoder().encode(host) }));
}

/** Operations on the trees of a run. */
export class FileService {
  #tree: FileTree;
  /** Sizes by which an overlay may be known. */
  #overlaid: ReadonlySet<bigint>;
  /** By number; the roots that there were at the beginning come first. */
  #nodes = new Map<number, Node>();
  #next = 0;

  /**
   * @param tree of the run, with {@linkcode namedOverlays}
   * @param overlaid those
   */
  constructor(tree: FileTree, overlaid: readonly string[]) {
    this.#tree = tree;
    this.#overlaid = new Set(overlaid.map((host) => BigInt(new TextEncoder().encode(host).length)));
    for (const { node } of tree.roots) this.#add(node);
  }

  /** Opens a tree that was granted; returns its number. @throws AppError GRANT_INVALID */
  mount(mount: Mount): number {
    return this.#add(this.#tree.mount(mount));
  }

  /** Does what is asked for. What the operating system has against it is an answer, too. @throws BadMessage */
  call(name: string, fields: Fields): Answer {
    const operation = Object.hasOwn(this.#operations, name) ? this.#operations[name] : undefined;
    if (!operation) throw new BadMessage(`there is no "${name}"`);
    try {
      return operation(fields) ?? { message: {} };
    } catch (error) {
      if (error instanceof WasiError) return { message: { errno: error.errno } };
      throw error;
    }
  }

  #operations: Readonly<Record<string, (fields: Fields) => Answer | void>> = {
    openAt: (fields): Answer => {
      const opened = now(this.#tree.openAt(
        this.#directory(fields),
        pathOfText(fields.text("path")),
        optionsOf(fields.fields("options")),
      ));
      if (opened.kind === "directory") {
        return { message: { directory: this.#add(opened), writable: opened.writable } };
      }
      if (opened instanceof OverlayNode) {
        return { message: { overlaid: hostOf(opened), stat: statToJson(opened.stat()) } };
      }
      if (!(opened instanceof OpenFile)) throw new BadMessage("it is no file of the system's");
      const { type, readable, writable, fd } = opened;
      return { message: { file: this.#add(opened), type, readable, writable }, files: [fd] };
    },
    stat: (fields) => ({ message: { stat: statToJson(this.#tree.stat(this.#node(fields))) } }),
    statAt: (fields) => {
      const [node, path] = [this.#directory(fields), pathOfText(fields.text("path"))];
      const follow = fields.flag("follow");
      const stat = now(this.#tree.statAt(node, path, follow));
      const overlaid = stat.type === "regular-file" && this.#overlaid.has(stat.size)
        ? this.#overlayAt(node, path, follow)
        : undefined;
      return { message: { stat: statToJson(stat), ...(overlaid === undefined ? {} : { overlaid }) } };
    },
    setTimes: (fields) => this.#tree.setTimes(this.#node(fields), ...timesOf(fields)),
    setTimesAt: (fields) => {
      const path = pathOfText(fields.text("path"));
      this.#tree.setTimesAt(this.#directory(fields), path, fields.flag("follow"), ...timesOf(fields));
    },
    createDirectoryAt: (fields) =>
      this.#tree.createDirectoryAt(this.#directory(fields), pathOfText(fields.text("path"))),
    readDirectory: (fields) => {
      const listing = this.#tree.readDirectory(this.#directory(fields));
      try {
        const entries: string[] = [];
        for (let entry = listing.at(0); entry; entry = listing.at(entries.length)) {
          entries.push(entryToText(entry));
        }
        return { message: { entries } };
      } finally {
        listing.close();
      }
    },
    removeDirectoryAt: (fields) =>
      this.#tree.removeDirectoryAt(this.#directory(fields), pathOfText(fields.text("path"))),
    unlinkFileAt: (fields) =>
      this.#tree.unlinkFileAt(this.#directory(fields), pathOfText(fields.text("path"))),
    renameAt: (fields) =>
      this.#tree.renameAt(
        this.#directory(fields),
        pathOfText(fields.text("path")),
        this.#directory(fields, "to"),
        pathOfText(fields.text("newPath")),
      ),
    linkAt: (fields) =>
      this.#tree.linkAt(
        this.#directory(fields),
        pathOfText(fields.text("path")),
        fields.flag("follow"),
        this.#directory(fields, "to"),
        pathOfText(fields.text("newPath")),
      ),
    symlinkAt: (fields) =>
      this.#tree.symlinkAt(
        pathOfText(fields.text("target")),
        this.#directory(fields),
        pathOfText(fields.text("path")),
      ),
    readLinkAt: (fields) => {
      const target = this.#tree.readLinkAt(this.#directory(fields), pathOfText(fields.text("path")));
      return { message: { target: pathToText(target) } };
    },
    close: (fields) => {
      const number = fields.number("node");
      // Roots stay as long as the tree.
      if (number < this.#tree.roots.length) return;
      this.#nodes.get(number)?.close();
      this.#nodes.delete(number);
    },
  };

  /** What an overlay stands for; undefined where there is none. */
  #overlayAt(from: DirectoryNode, path: Uint8Array, follow: boolean): string | undefined {
    let opened: Node;
    try {
      opened = now(this.#tree.openAt(from, path, { ...TO_READ, follow }));
    } catch (error) {
      if (isAbsence(error)) return undefined; // a file that can't be read shows as itself
      throw error;
    }
    opened.close();
    return opened instanceof OverlayNode ? hostOf(opened) : undefined;
  }

  #add(node: Node): number {
    this.#nodes.set(this.#next, node);
    return this.#next++;
  }

  #node(fields: Fields, name = "node"): Node {
    return this.#nodes.get(fields.number(name)) ?? none(name);
  }

  #directory(fields: Fields, name?: string): DirectoryNode {
    const node = this.#node(fields, name);
    if (node.kind !== "directory") throw new WasiError("not-directory");
    return node;
  }
}

/** What an overlay stands for. */
function hostOf(overlay: OverlayNode): string {
  const bytes = new Uint8Array(Number(overlay.size()));
  overlay.readAt(bytes, 0n);
  return new TextDecoder().decode(bytes);
}

/** {@linkcode namedOverlays} are there at once. */
function now<T>(value: MaybePromise<T>): T {
  if (value instanceof Promise) throw new BadMessage("it takes its time");
  return value;
}

function none(name: string): never {
  throw new BadMessage(`${name} is not open`);
}

function optionsOf(fields: Fields): OpenOptions {
  const flag = (name: keyof OpenOptions) => fields.flag(name);
  return {
    follow: flag("follow"),
    create: flag("create"),
    exclusive: flag("exclusive"),
    truncate: flag("truncate"),
    directory: flag("directory"),
    read: flag("read"),
    write: flag("write"),
  };
}

function timesOf(fields: Fields): [ReturnType<typeof timeOfText>, ReturnType<typeof timeOfText>] {
  return [timeOfText(fields.textOrNone("accessed")), timeOfText(fields.textOrNone("modified"))];
}
