//! A warehouse: 28 tables, places on the map, on floor plans and in photos, and PostGIS under all of them.

use std::fs;

use crate::commands::case::Case;
use crate::harness::dump::{assert_same, dump, programs_fit};
use crate::harness::shared::checkout;
use crate::harness::{Outcome, Skip, xtask};

crate::trials!(
    the_lock_of_the_warehouse_is_up_to_date,
    twenty_eight_tables_go_up_and_down_and_up_again,
    each_step_down_undoes_just_its_step_up,
    a_question_about_a_place_is_answered_by_a_gist_index,
    what_the_scripts_promise_of_places_holds,
);

/// The migrations, as they stand in this repository.
const FOLDER: &str = "tests/it/scenarios/warehouse";

/// How many there are.
const MIGRATIONS: usize = 16;

const TABLES: [&str; 28] = [
    "audit_events",
    "batches",
    "cameras",
    "detection_models",
    "detections",
    "label_prints",
    "movement_lines",
    "movements",
    "photos",
    "positions",
    "product_barcodes",
    "product_categories",
    "products",
    "roles",
    "safety_zones",
    "sites",
    "stock_count_lines",
    "stock_counts",
    "stock_levels",
    "storage_areas",
    "supplier_products",
    "suppliers",
    "units",
    "user_roles",
    "users",
    "vehicle_tracks",
    "vehicles",
    "zone_alerts",
];

/// A workspace with the warehouse's migrations, and a database of a server that has PostGIS.
fn warehouse() -> Result<Case, Skip> {
    let case = Case::with(&[])?;
    if case.database.ask("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'") != "1" {
        return Err(Skip("the test server has no PostGIS".to_owned()));
    }
    for entry in fs::read_dir(checkout(FOLDER)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, case.workspace.migrations().join(path.file_name().unwrap())).unwrap();
    }
    Ok(case)
}

/// The tables that are the schema's own: PostGIS brings one along.
fn tables(case: &Case) -> String {
    case.database.ask(
        "SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class AS c \
         WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace \
         AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')",
    )
}

fn the_lock_of_the_warehouse_is_up_to_date() -> Outcome {
    let ran = xtask::run(&mut xtask::db(&checkout(FOLDER), &["lock", "--check", "--dir", "."])).ok();
    assert!(ran.stderr.contains("16 migrations"), "{}", ran.stderr);
    Ok(())
}

fn twenty_eight_tables_go_up_and_down_and_up_again() -> Outcome {
    let case = warehouse()?;
    let dumps = programs_fit(&case.database).is_ok();
    let schema = || if dumps { dump(&case.database) } else { String::new() };
    let empty = schema();
    case.db(&["up", "--locked"]).ok();
    assert_eq!(tables(&case), TABLES.join(" "));
    assert!(case.database.ask("SELECT postgis_version()").starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(case.database.applied().len(), MIGRATIONS);
    let full = schema();
    case.db(&["down", "--all"]).ok();
    assert_eq!(tables(&case), "");
    assert_eq!(case.database.ask("SELECT count(*) FROM pg_extension WHERE extname = 'postgis'"), "0");
    assert_same("all down", &schema(), &empty);
    case.db(&["up", "--locked"]).ok();
    assert_same("up again", &schema(), &full);
    Ok(())
}

fn each_step_down_undoes_just_its_step_up() -> Outcome {
    let case = warehouse()?;
    programs_fit(&case.database)?;
    let mut before = Vec::new();
    for _ in 0..MIGRATIONS {
        before.push(dump(&case.database));
        case.db(&["up", "1"]).ok();
    }
    for (at, before) in before.iter().enumerate().rev() {
        case.db(&["down"]).ok();
        assert_same(&format!("down to {at} migrations"), &dump(&case.database), before);
    }
    Ok(())
}

/// A site with one area of 100 by 50 metres, and 5,000 positions in it, one to each square metre.
const SHELVES: &str = "
INSERT INTO sites (code, name, time_zone, location) VALUES ('BER01', 'Berlin', 'Europe/Berlin', ST_Point(13.4, 52.5, 4326));
INSERT INTO storage_areas (site_id, code, kind, footprint)
    SELECT id, 'A', 'ambient', ST_MakeEnvelope(0, 0, 100, 50) FROM sites;
INSERT INTO positions (storage_area_id, code, location)
    SELECT storage_areas.id, 'A-' || x || '-' || y, ST_MakePoint(x + 0.5, y + 0.5, 1.2)
    FROM storage_areas, generate_series(0, 99) AS x, generate_series(0, 49) AS y;
";

fn a_question_about_a_place_is_answered_by_a_gist_index() -> Outcome {
    let case = warehouse()?;
    case.db(&["up"]).ok();
    let mut client = case.database.client();
    client.batch_execute(SHELVES).unwrap();
    client.batch_execute("ANALYZE positions").unwrap();
    // Not asked to: with this many rows the planner sees for itself that the index is the better way.
    let near = "SELECT id FROM positions WHERE ST_DWithin(location, ST_MakePoint(20, 20), 1)";
    let plan: Vec<String> =
        client.query(&format!("EXPLAIN {near}"), &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("positions_location_idx")), "{plan:#?}");
    assert_eq!(client.query(near, &[]).unwrap().len(), 4);

    let not_gist = case.database.ask(
        "SELECT coalesce(string_agg(columns.f_table_name || '.' || f_geometry_column, ', '), '') FROM geometry_columns AS columns \
         WHERE NOT EXISTS (SELECT FROM pg_indexes WHERE tablename = columns.f_table_name \
         AND indexdef LIKE '% USING gist (' || f_geometry_column || ')%')",
    );
    // A view's column is its table's.
    assert_eq!(not_gist, "site_stock.location");
    Ok(())
}

fn what_the_scripts_promise_of_places_holds() -> Outcome {
    let case = warehouse()?;
    case.db(&["up"]).ok();
    let mut client = case.database.client();
    client.batch_execute(SHELVES).unwrap();
    let mut refused = |sql: &str| client.batch_execute(sql).unwrap_err().code().unwrap().code().to_owned();
    let outside = "UPDATE positions SET location = ST_MakePoint(100.5, 0, 0) WHERE code = 'A-0-0'";
    assert_eq!(refused(outside), "23514");
    let bow_tie = "UPDATE storage_areas SET footprint = 'POLYGON((0 0, 9 9, 9 0, 0 9, 0 0))'";
    assert_eq!(refused(bow_tie), "23514");
    let metres = "UPDATE sites SET location = ST_SetSRID(ST_MakePoint(391779, 5820080), 4326)";
    assert_eq!(refused(metres), "23514");

    client.batch_execute("UPDATE sites SET name = 'Berlin Mitte'; UPDATE sites SET name = 'Berlin Mitte'").unwrap();
    let audited = "SELECT string_agg(concat_ws(' ', action, before ->> 'name', after ->> 'name', \
                   after #>> '{location,type}', after #>> '{location,coordinates}'), ', ' ORDER BY id) \
                   FROM audit_events WHERE table_name = 'sites'";
    assert_eq!(
        case.database.ask(audited),
        "insert Berlin Point [13.4, 52.5], update Berlin Berlin Mitte Point [13.4, 52.5]"
    );
    assert_eq!(case.database.ask("SELECT positions || ' on ' || area_m2 FROM site_stock"), "5000 on 5000");
    Ok(())
}
