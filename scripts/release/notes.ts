/** The notes of a release: the section of its version in CHANGELOG.md. */

/**
 * Finds a version's section.
 *
 * @param tag `vVERSION`
 * @param version the version of the sources
 * @returns the section's text without its heading
 * @throws Error if the tag is of another version, or the changelog has no such section or an empty one
 */
export function releaseNotes(changelog: string, tag: string, version: string): string {
  if (tag !== `v${version}`) throw new Error(`the tag ${tag} is not v${version}, the version of the sources`);
  const sections = changelog.split(/^(?=## )/m);
  // A release candidate has the notes of what it is a candidate for.
  const names = [version, version.replace(/-.*/, "")];
  const section = names.flatMap((name) => sections.filter((text) => headingOf(text) === name))[0];
  const notes = section?.replace(/^.*\n/, "").trim();
  if (!notes) throw new Error(`CHANGELOG.md has no section "## ${names.at(-1)}", or nothing in it`);
  return `${notes}\n`;
}

function headingOf(section: string): string | undefined {
  return /^## \[?v?([^\]\s]+)/.exec(section)?.[1];
}
