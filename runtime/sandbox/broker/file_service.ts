/**
 * Opens files outside of the kernel's restriction that the run can no longer open: those that a person granted during the
 * run, and single files that are created. The same tree as in an unrestricted run checks everything
 * (wasi/files/linux/linux_tree.ts). The run gets the open descriptors.
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

/** An answer with files, which stay open here. */
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
 * Overlays for the tree of a {@linkcode FileService}. Only the run knows their real content. Here their content is the path
 * of the replaced file, by which the run finds its own overlay.
 */
export function namedOverlays(hosts: readonly string[]): Overlay[] {
  return hosts.map((host) => ({ host, content: () => new TextEncoder().encode(host) }));
}

/** Performs operations on the run's files. */
export class FileService {
  #tree: FileTree;
  /** The possible sizes of an overlay. */
  #overlaid: ReadonlySet<bigint>;
  /** Nodes by number; the roots at the start come first. */
  #nodes = new Map<number, Node>();
  #next = 0;

  /**
   * @param tree the run's, with {@linkcode namedOverlays}
   * @param overlaid the paths of these overlays
   */
  constructor(tree: FileTree, overlaid: readonly string[]) {
    this.#tree = tree;
    this.#overlaid = new Set(overlaid.map((host) => BigInt(new TextEncoder().encode(host).length)));
    for (const { node } of tree.roots) this.#add(node);
  }

  /** Opens a granted tree; returns its number. @throws AppError GRANT_INVALID */
  mount(mount: Mount): number {
    return this.#add(this.#tree.mount(mount));
  }

  /** Performs an operation. An error of the operating system is an answer too. @throws BadMessage */
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
      // Roots stay open as long as the tree.
      if (number < this.#tree.roots.length) return;
      this.#nodes.get(number)?.close();
      this.#nodes.delete(number);
    },
  };

  /** The path that an overlay replaces; undefined if there is no overlay. */
  #overlayAt(from: DirectoryNode, path: Uint8Array, follow: boolean): string | undefined {
    let opened: Node;
    try {
      opened = now(this.#tree.openAt(from, path, { ...TO_READ, follow }));
    } catch (error) {
      if (isAbsence(error)) return undefined; // an unreadable file shows as itself
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

/** The path that an overlay replaces. */
function hostOf(overlay: OverlayNode): string {
  const bytes = new Uint8Array(Number(overlay.size()));
  overlay.readAt(bytes, 0n);
  return new TextDecoder().decode(bytes);
}

/** A value that must not be a promise. Those of {@linkcode namedOverlays} never are. */
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
