/** Statements of generated JavaScript. Pure. */

/** Splits JavaScript without regular expressions at line ends outside of all brackets. */
export function splitStatements(text: string): string[] {
  const statements: string[] = [];
  const token = /\/\/[^\n]*|\/\*[^]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|[`{}()[\]\n]/g;
  const open: string[] = [];
  let start = 0;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [mark] = match;
    if (mark === "`" || mark === "}" && open.at(-1) === "${") {
      // In a template, or back in one: skip to its end or to the next expression in it.
      if (mark === "}") open.pop();
      const part = /(?:[^`\\$]|\\[^]|\$(?!\{))*(`|\$\{)/y;
      part.lastIndex = token.lastIndex;
      if (part.exec(text)?.[1] === "${") open.push("${");
      token.lastIndex = part.lastIndex || text.length;
    } else if ("{([".includes(mark)) open.push(mark);
    else if ("})]".includes(mark)) open.pop();
    else if (mark === "\n" && open.length === 0) {
      statements.push(text.slice(start, token.lastIndex));
      start = token.lastIndex;
    }
  }
  statements.push(text.slice(start));
  return statements;
}

/** The names that statements of one scope declare. */
export function declaredNames(statements: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const statement of statements) {
    const [, name, parts] =
      /^\s*(?:async )?(?:function\*?|class|const|let|var)\s+(?:([\w$]+)|\{([^}]*)\})/.exec(statement) ?? [];
    if (name !== undefined) names.add(name);
    for (const part of parts?.split(",") ?? []) names.add(part.split(":").at(-1)!.trim());
    for (const [, next] of statement.matchAll(/(?<=^const [^\n{(]*), ([\w$]+) =/g)) names.add(next!);
  }
  return names;
}
