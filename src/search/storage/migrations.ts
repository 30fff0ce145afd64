/**
 * The schema of study.db, as the steps that lead to it. `user_version` counts the steps a file has behind it. A released step is never changed: a new version adds one.
 * Contents are JSON, the single truth; columns that the storage selects by are computed from it.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE study (
    id TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    created_at REAL NOT NULL GENERATED ALWAYS AS (content ->> '$.createdAt')
  ) STRICT;

  CREATE TABLE trial (
    study_id TEXT NOT NULL REFERENCES study (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    content TEXT NOT NULL,
    state TEXT NOT NULL GENERATED ALWAYS AS (content ->> '$.state')
      CHECK (state IN ('waiting', 'running', 'lost', 'complete', 'pruned', 'diverged', 'failed')),
    PRIMARY KEY (study_id, number)
  ) STRICT;

  CREATE INDEX trial_by_state ON trial (study_id, state, number);

  CREATE TABLE epoch (
    study_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    steps INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (study_id, number, steps),
    FOREIGN KEY (study_id, number) REFERENCES trial (study_id, number) ON DELETE CASCADE
  ) STRICT;
  `,
];

/** "isoN" as a number, in the file's header: tells a study from any other SQLite database. */
export const applicationId = 0x69736f4e;
