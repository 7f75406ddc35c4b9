//! Which database the environment names: the app's, and the one that migrations go to.

use super::database::{Database, DatabaseError};

/// The app's database, possibly behind a pooler.
const APP: &[&str] = &["DATABASE_URL"];

/// Past the pooler, in the words of those who host one: ours first, then Neon's, Heroku's and Fly's, Supabase's and Prisma's, Vercel's.
const DIRECT: &[&str] = &[
    "DATABASE_MIGRATION_URL",
    "DATABASE_URL_UNPOOLED",
    "DATABASE_DIRECT_URL",
    "DIRECT_DATABASE_URL",
    "DIRECT_URL",
    "POSTGRES_URL_NON_POOLING",
];

impl Database {
    /// The app's database: `DATABASE_URL` or, without that, libpq's variables (`PGHOST`, …); `None` where neither is set. What the URL
    /// leaves open comes from libpq's variables. `variable` looks one up; one that is empty counts as not set.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, DatabaseError> {
        Self::first_of(APP, &variable)
    }

    /// The database that migrations go to. Hosts that put a pooler before the server give a second URL that goes past it, and a
    /// migration wants that one: the first of `DATABASE_MIGRATION_URL`, `DATABASE_URL_UNPOOLED`, `DATABASE_DIRECT_URL`,
    /// `DIRECT_DATABASE_URL`, `DIRECT_URL`, `POSTGRES_URL_NON_POOLING`; without any, [`Database::from_environment`].
    pub fn for_migrations(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, DatabaseError> {
        match Self::first_of(DIRECT, &variable)? {
            Some(database) => Ok(Some(database)),
            None => Self::from_environment(variable),
        }
    }

    fn first_of(
        names: &[&'static str],
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, DatabaseError> {
        let set = |name: &&'static str| Some((*name, variable(name).filter(|url| !url.trim().is_empty())?));
        match names.iter().find_map(set) {
            Some((name, url)) => Self::parse(&url)
                .and_then(|database| database.with_defaults(variable))
                .map(Some)
                .map_err(|error| DatabaseError::In { name, error: Box::new(error) }),
            None if names == APP => Self::from_variables(variable),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(of: impl Fn(&str) -> Option<String>) -> [Option<String>; 2] {
        let name = |database: Option<Database>| database.map(|database| database.name().to_owned());
        [name(Database::from_environment(&of).unwrap()), name(Database::for_migrations(&of).unwrap())]
    }

    #[test]
    fn migrations_go_past_the_pooler_where_the_environment_names_a_way() {
        let url = |name: &str| Some(format!("postgresql://h/{}", name.to_lowercase()));
        assert_eq!(name(|_| None), [None, None]);
        assert_eq!(
            name(|n| url(n).filter(|_| n == "DATABASE_URL")),
            [Some("database_url".into()), Some("database_url".into())]
        );
        for direct in DIRECT {
            let [app, migrations] = name(|n| url(n).filter(|_| [*direct, "DATABASE_URL"].contains(&n)));
            assert_eq!((app, migrations), (Some("database_url".into()), Some(direct.to_lowercase())));
        }
        assert_eq!(name(|n| (n == "PGDATABASE").then(|| "x".into())), [Some("x".into()), Some("x".into())]);
        assert_eq!(name(|n| (n == "DATABASE_URL").then(|| " ".into())), [None, None]);
    }

    #[test]
    fn an_error_names_the_variable_and_not_its_value() {
        let variable = |name: &str| (name == "DIRECT_URL").then(|| "mysql://u:hunter2@h/d".to_owned());
        let error = Database::for_migrations(variable).unwrap_err();
        assert!(error.to_string().starts_with("`DIRECT_URL`: `mysql://` is not a Postgres URL"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
