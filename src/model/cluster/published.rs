//! The kernels against published numbers and worked examples.
//!
//! Printed by scikit-learn 1.9.1 (BSD-3) on its iris table, best of 200 restarts with tolerance
//! 1e-10; the worked examples stand in its tests of cluster metrics.

use super::iris::IRIS;
use super::{
    Clustering, Error, KMeans, Partition, Points, Preparation, Scale, Stop, adjusted_rand, calinski_harabasz,
    davies_bouldin, kmeans, silhouette, silhouettes,
};

const GO: Stop<'_> = &|| false;

/// Inertia, silhouette, Davies-Bouldin, Calinski-Harabasz, adjusted Rand index to the species.
type Row = [f64; 5];

const RAW_2: Row = [
    152.347_951_760_357_9,
    0.681_046_169_211_746_2,
    0.404_292_837_173_043_43,
    513.924_545_980_276_8,
    0.539_921_829_420_712_3,
];
const RAW_3: Row = [
    78.851_441_426_146,
    0.552_819_012_356_409_5,
    0.661_971_546_500_746_5,
    561.627_756_629_62,
    0.730_238_272_283_469_7,
];
const RAW_4: Row = [
    57.228_473_214_285_72,
    0.498_050_504_997_287_37,
    0.780_306_983_881_110_7,
    530.765_808_187_285_1,
    0.649_817_685_381_996_7,
];
const STANDARD_3: Row = [
    139.820_496_359_749_82,
    0.459_948_239_205_186_35,
    0.833_594_946_475_433_8,
    241.904_401_701_831_57,
    0.620_135_180_887_037_9,
];

fn raw() -> Points {
    Points::from_rows(4, IRIS.as_flattened()).unwrap()
}

fn standardised() -> Points {
    let columns: Vec<Vec<f64>> = (0..4).map(|at| IRIS.iter().map(|row| row[at]).collect()).collect();
    let names = ["0", "1", "2", "3"];
    let named = names.into_iter().zip(columns.iter().map(Vec::as_slice));
    let preparation = Preparation::fit(named, Scale::Standard);
    assert!(preparation.features.iter().all(|feature| !feature.log));
    preparation.apply::<Error>(|name| Ok(columns[name.parse::<usize>().unwrap()].clone())).unwrap()
}

fn species() -> Partition {
    Partition::of(&(0..150).map(|row| row / 50).collect::<Vec<_>>())
}

fn best(points: &Points, k: usize) -> Clustering {
    let config = KMeans { k, restarts: 50, max_iterations: 300, tolerance: 1e-10, seed: 1 };
    kmeans(points, &config, GO, &|_| ()).unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found} is not {expected}");
}

fn compare(points: &Points, expected: Row, sizes: &[usize]) {
    let found = best(points, sizes.len());
    let partition = Partition::of(&found.labels);
    close(found.inertia, expected[0]);
    close(silhouette(points, &partition, GO).unwrap(), expected[1]);
    close(davies_bouldin(points, &partition).unwrap(), expected[2]);
    close(calinski_harabasz(points, &partition).unwrap(), expected[3]);
    close(adjusted_rand(&partition, &species()).unwrap(), expected[4]);
    assert_eq!(found.sizes, sizes);
}

#[test]
fn iris_in_centimetres() {
    compare(&raw(), RAW_2, &[97, 53]);
    compare(&raw(), RAW_3, &[62, 50, 38]);
    compare(&raw(), RAW_4, &[50, 40, 32, 28]);
}

#[test]
fn iris_standardised() {
    compare(&standardised(), STANDARD_3, &[53, 50, 47]);
}

#[test]
fn iris_by_species() {
    let (points, species) = (raw(), species());
    close(silhouette(&points, &species, GO).unwrap(), 0.503_477_440_693_296);
    close(davies_bouldin(&points, &species).unwrap(), 0.751_370_709_475_673_7);
    close(calinski_harabasz(&points, &species).unwrap(), 487.330_876_374_899_84);
}

/// Four blocks of ten rows, each of two rows five times.
fn four_blocks() -> (Points, Vec<u32>) {
    let blocks = [[0.0, 0.0, 1.0, 1.0], [3.0, 3.0, 4.0, 4.0], [0.0, 4.0, 1.0, 3.0], [3.0, 1.0, 4.0, 0.0]];
    let values: Vec<f64> = blocks.iter().flat_map(|block| block.repeat(5)).collect();
    (Points::from_rows(2, &values).unwrap(), (0..40).map(|row| row / 10).collect())
}

#[test]
fn four_blocks_by_hand() {
    let (points, labels) = four_blocks();
    let partition = Partition::of(&labels);
    assert_eq!(calinski_harabasz(&points, &partition).unwrap(), 108.0);
    close(davies_bouldin(&points, &partition).unwrap(), 2.0 * 0.5_f64.sqrt() / 3.0);
    let found = silhouette(&points, &partition, GO).unwrap();
    assert!((found - 0.738_108_599_6).abs() < 5e-11);
}

#[test]
fn gaps_between_labels_make_no_clusters() {
    let (points, labels) = four_blocks();
    let gaps: Vec<u32> = labels.iter().map(|label| label * 1000 + 7).collect();
    let (with, without) = (Partition::of(&gaps), Partition::of(&labels));
    assert_eq!(with, without);
    assert_eq!(calinski_harabasz(&points, &with).unwrap(), 108.0);
}

#[test]
fn a_lonely_row_in_davies_bouldin() {
    let points = Points::from_rows(2, &[0.0, 0.0, 2.0, 2.0, 3.0, 3.0, 5.0, 5.0]).unwrap();
    close(davies_bouldin(&points, &Partition::of(&[0, 0, 1, 2])).unwrap(), 5.0 / 12.0);
}

#[test]
fn a_lonely_row_and_equal_rows_in_the_silhouette() {
    let points = Points::from_rows(1, &[0.0, 1.0, 1.0, 2.0, 3.0, 3.0]).unwrap();
    let found = silhouettes(&points, &Partition::of(&[0, 1, 1, 1, 2, 2]), GO).unwrap();
    assert_eq!(found, [0.0, 0.5, 0.5, 0.0, 1.0, 1.0]);
}
