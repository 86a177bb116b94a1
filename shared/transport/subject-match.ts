/** Subjects as NATS reads them: tokens between dots, `*` for one token, `>` for one or more. */

export function subjectMatches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index;
    if (index >= given.length) return false;
    if (token !== '*' && token !== given[index]) return false;
  }
  return wanted.length === given.length;
}
